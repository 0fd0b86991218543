// SPDX-License-Identifier: MIT
// Building the next snapshot, on the store thread only.
#ifndef YJ_AGENT_STATE_BUILD_H
#define YJ_AGENT_STATE_BUILD_H

#include "agent/state/snapshot.h"

// A fork shares everything with its parent and is changed in place until it is published; objects are
// taken over (the caller's reference becomes the snapshot's).
struct snapshot *snapshot_new(struct live_table *live);
struct snapshot *snapshot_fork(const struct snapshot *from);
void snapshot_free(struct snapshot *s);
void snapshot_put_feature(struct snapshot *s, struct feature_obj *f);
void snapshot_del_feature(struct snapshot *s, struct slice name);
void snapshot_put_key(struct snapshot *s, struct key_obj *k);
void snapshot_del_key(struct snapshot *s, struct slice id);
void snapshot_put_instance(struct snapshot *s, struct instance_obj *in);
void snapshot_del_instance(struct snapshot *s, struct slice service, struct slice id);
void snapshot_put_rule(struct snapshot *s, struct rule_obj *r);
void snapshot_del_rule(struct snapshot *s, struct slice name);
// Prices: any number of put and del, then one call that has every route look them up anew.
void snapshot_put_price(struct snapshot *s, struct price_obj *p);
void snapshot_del_price(struct snapshot *s, struct slice id);
void snapshot_prices_changed(struct snapshot *s);

#endif
