// SPDX-License-Identifier: MIT
// key-manager: vendor keys, their tests and fingerprints, the catalogue, the audit log.
#ifndef YJ_AGENT_API_KEYS_H
#define YJ_AGENT_API_KEYS_H

#include "agent/web/web.h"
#include "shared/jw.h"

void h_key_list(struct req *r);
void h_key_create(struct req *r);
void h_key_get(struct req *r);
void h_key_patch(struct req *r);
void h_key_delete(struct req *r);
void h_key_test(struct req *r);
void h_key_rotate(struct req *r);
void h_key_enable(struct req *r);
void h_key_disable(struct req *r);
void h_key_test_new(struct req *r);
void h_key_fingerprint(struct req *r);
void h_vendor_list(struct req *r);
void h_audit_list(struct req *r);

// A whole key document from the request's body with its address judged; false: answered already.
bool key_decode(struct req *r, struct vendor_key *doc, struct url *ret_url);

#endif
