// SPDX-License-Identifier: MIT
// Starts simulated vendors and an agent on free ports with scratch state, and stops them.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const build = process.env.YIJIAN_BUILD || path.join(root, 'build');
const DEADLINE_MS = 30000;

// Looks again until the condition gives something true; a program that died ends the wait.
async function until(what, condition, child) {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (child && child.exitCode !== null) throw new Error(`${what}: the program ended`);
    if (Date.now() > end) throw new Error(`${what}: not in time`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function end(child) {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code));
    child.kill('SIGTERM');
  });
}

export class Platform {
  constructor() {
    this.dir = mkdtempSync(path.join(tmpdir(), 'yijian-sdk-'));
    this.children = [];
  }

  async vendor(name, ...options) {
    const file = path.join(this.dir, `${name}.port`);
    const child = spawn(path.join(build, 'vendord'),
      ['--listen', '127.0.0.1:0', '--port-file', file, '--label', `simulated ${name}`, ...options],
      { stdio: 'ignore' });
    this.children.push(child);
    await until(name, () => existsSync(file) && readFileSync(file, 'utf8').trim(), child);
    return { child, url: `http://127.0.0.1:${readFileSync(file, 'utf8').trim()}` };
  }

  async agent() {
    const env = { ...process.env, YIJIAN_STATE_DIR: path.join(this.dir, 'state'),
      YIJIAN_ALLOW_LOOPBACK_UPSTREAMS: '1' };
    for (const service of ['API_GATEWAY', 'CONFIG_CENTER', 'KEY_MANAGER', 'SERVICE_REGISTRY',
      'ROUTER_ENGINE']) env[`YIJIAN_LISTEN_${service}`] = '127.0.0.1:0';
    const child = spawn(path.join(build, 'yijiand'), [], { env, stdio: 'ignore' });
    this.children.push(child);
    const ports = path.join(env.YIJIAN_STATE_DIR, 'ports.json');
    await until('ports.json', () => existsSync(ports), child);
    this.gateway = `http://${JSON.parse(readFileSync(ports))['api-gateway'][0]}`;
    await until('the gateway',
      () => fetch(`${this.gateway}/healthz`).then((answer) => answer.ok, () => false), child);
  }

  async call(method, where, body) {
    const answer = await fetch(this.gateway + where, { method,
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${where}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  }

  key(service, name, tier, url) {
    return this.call('POST', '/api/v1/keys', { vendor: 'openai', service, key_name: name,
      api_key: `sk-simulated-${name}-00000000000000`, tier, base_url: url });
  }

  async stop() {
    const codes = [];
    for (const child of this.children.reverse()) codes.push(await end(child));
    rmSync(this.dir, { recursive: true, force: true });
    return codes;
  }
}
