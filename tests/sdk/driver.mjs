// SPDX-License-Identifier: MIT
// Runs calls of the official npm SDKs, line by line as driver.py does. The first argument is the
// package that stands for "openai", so that several major versions can be asked.
import { File } from 'node:buffer';
import { createInterface } from 'node:readline';
import Anthropic from '@anthropic-ai/sdk';

globalThis.File ??= File; // Node 18 has it, but not there

const openai = await import(process.argv[2] ?? 'openai');

async function argument(value) {
  if (Array.isArray(value)) return Promise.all(value.map(argument));
  if (value === null || typeof value !== 'object') return value;
  if ('$file' in value) return openai.toFile(Buffer.from(value.$file, 'base64'), value.name);
  const entries = Object.entries(value).map(async ([name, member]) =>
    [name, await argument(member)]);
  return Object.fromEntries(await Promise.all(entries));
}

function clientOf(call) {
  const Kind = call.sdk === 'anthropic' ? Anthropic : openai.default;
  return new Kind({ apiKey: call.api_key ?? 'sk-any', baseURL: call.base_url, logLevel: 'off',
    maxRetries: call.max_retries ?? 0, timeout: (call.timeout_s ?? 60) * 1000 });
}

async function invoke(client, call) {
  const args = await argument(call.args ?? {});
  if (call.method === 'post') {
    return client.post(call.path, { body: args, headers: call.headers });
  }
  if (call.method === 'get') return client.get(call.path, { headers: call.headers });
  const names = call.method.split('.');
  const last = names.pop();
  const target = names.reduce((at, name) => at[name], client);
  return target[last](...(call.positional ?? []), args);
}

function failure(error) {
  const ofSdk = error instanceof openai.OpenAIError || error instanceof Anthropic.AnthropicError;
  return { class: error.constructor.name, of_sdk: ofSdk, status: error.status ?? null,
    code: error.code ?? null, type: error.type ?? null, message: String(error.message),
    body: error.error ?? null, request_id: error.requestID ?? null };
}

async function resultOf(got) {
  if (got === null || got === undefined) return { kind: 'none' };
  if (typeof got === 'string') return { kind: 'string', value: got };
  if (got instanceof Response) {
    return { kind: 'bytes', base64: Buffer.from(await got.arrayBuffer()).toString('base64') };
  }
  if (got.constructor.name.endsWith('Page')) {
    const value = [];
    for await (const item of got) value.push(item);
    return { kind: 'list', value };
  }
  return { kind: 'object', value: got, request_id: got._request_id ?? null };
}

async function run(call) {
  const chunks = [];
  try {
    const got = await invoke(clientOf(call), call);
    if (got?.controller === undefined) return { ok: true, ...await resultOf(got) };
    for await (const chunk of got) {
      chunks.push(chunk);
      if (chunks.length === call.leave_after) break; // leaving the loop aborts the request
    }
    return { ok: true, kind: 'stream', chunks };
  } catch (error) {
    return { ok: false, chunks, error: failure(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
