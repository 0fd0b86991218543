// SPDX-License-Identifier: MIT
// config-center: features, their revisions, the watch, and who changed what.
#ifndef YJ_AGENT_API_FEATURES_H
#define YJ_AGENT_API_FEATURES_H

#include "agent/web/web.h"

void h_feature_list(struct req *r);
void h_feature_create(struct req *r);
void h_feature_get(struct req *r);
void h_feature_put(struct req *r);
void h_feature_patch(struct req *r);
void h_feature_delete(struct req *r);
void h_feature_revisions(struct req *r);
void h_feature_rollback(struct req *r);
void h_revisions(struct req *r);
void h_watch(struct req *r);
void h_change_list(struct req *r);
// All features by name, in the request's arena.
const struct feature_obj **features_by_name(struct req *r, size_t *ret_n);

#endif
