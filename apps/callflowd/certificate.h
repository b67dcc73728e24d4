/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate that a node shows: the configured one, or one of its development CA. */
#ifndef CALLFLOWD_CERTIFICATE_H
#define CALLFLOWD_CERTIFICATE_H

#include "conf/conf.h"
#include "net/devca.h"
#include "net/tls.h"

/** Makes ret_tls and loads conf's certificate, as certificate_load(). */
int certificate_open(struct cf_tls **ret_tls, struct cf_devca *devca, const struct cf_conf *conf);

/** Loads conf's certificate; without one makes, where it is missing, that of the development CA. 0,
 * or -1 after having logged what is wrong: the certificate in use stays as it is then. Blocks. */
int certificate_load(struct cf_tls *tls, struct cf_devca *devca, const struct cf_conf *conf);

#endif
