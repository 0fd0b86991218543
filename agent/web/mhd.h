// SPDX-License-Identifier: MIT
// The engine that serves the platform's four ports: libmicrohttpd 0.9.75 or newer reads heads, unpacks
// bodies and frames answers; what a request means is decided where it is for all others. What the two
// engines read differently is refused here as far as callbacks show it: bare LF (RFC 9112, 2.2), folded
// lines (5.2), NUL in a value (RFC 9110, 5.5). Chunk lines that end with LF alone, and what stands in
// their extensions (RFC 9112, 7.1), no callback of 0.9.75 shows; several empty lines before a request
// (2.2) none at all.
#ifndef YJ_AGENT_WEB_MHD_H
#define YJ_AGENT_WEB_MHD_H

struct engine;

extern const struct engine mhd_engine;

#endif
