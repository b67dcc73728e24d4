/* SPDX-License-Identifier: Apache-2.0 */
/* What can be wrong with a configuration besides its text: certificates and keys. Nothing is
 * opened, made or started. */
#ifndef CALLFLOWD_CHECK_H
#define CALLFLOWD_CHECK_H

#include "conf/conf.h"

/** 0, or -1 after having said on standard error what is wrong. */
int check_configuration(const struct cf_conf *conf);

#endif
