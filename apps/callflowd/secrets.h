/* SPDX-License-Identifier: Apache-2.0 */
/* What a node makes at its first start and keeps: master secret, resource name, access key. */
#ifndef CALLFLOWD_SECRETS_H
#define CALLFLOWD_SECRETS_H

#include "auth/access_key.h"
#include "auth/rawid.h"
#include "auth/seal.h"
#include "conf/conf.h"

struct secrets {
	uint8_t master[32];
	char resource[CF_RAWID_PART_MAX + 1];
	char access_key[4 * CF_ACCESS_KEY_MAX / 3 + 4]; /* base64 */
};

/** Reads conf's secrets file, or makes it (mode 0600). Values in conf win. 0, or -1 after having
 * logged what is wrong. Blocks: at the start only. */
int secrets_load(struct secrets *ret_secrets, const struct cf_conf *conf);

/** Reads the keys that sign usage exports from state_dir, or makes the first one (mode 0600): one
 * key a line, base64; the first signs, the others are retired. 0, or -1 after having logged what is
 * wrong. Blocks: at the start only. */
int secrets_load_usage_keys(struct cf_seal_keys *ret_keys, const char *state_dir);

#endif
