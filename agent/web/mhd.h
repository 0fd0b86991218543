// SPDX-License-Identifier: MIT
// The engine that serves the platform's four ports: libmicrohttpd reads heads, unpacks bodies and frames
// answers; what a request means is decided where it is for all others.
#ifndef YJ_AGENT_WEB_MHD_H
#define YJ_AGENT_WEB_MHD_H

struct engine;

extern const struct engine mhd_engine;

#endif
