/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A development certificate authority: made once in a folder, kept, used to issue the server's
 * certificate. Files: ca.pem, ca.key, server.pem (chain), server.key; keys have mode 0600. Blocks
 * on files: for start-up, not for a loop.
 */
#ifndef CF_NET_DEVCA_H
#define CF_NET_DEVCA_H

#include "base/err.h"

#include <stddef.h>

#define CF_DEVCA_PATH_MAX 512

struct cf_devca {
	char ca_file[CF_DEVCA_PATH_MAX];
	char cert_file[CF_DEVCA_PATH_MAX];
	char key_file[CF_DEVCA_PATH_MAX];
};

/**
 * Makes what is missing in dir (made when it is not there) and fills ret_devca. The server's
 * certificate names localhost, 127.0.0.1, ::1 and `names` (DNS names or IP addresses, n_names of
 * them); it is issued anew when a name is missing or fewer than 30 days are left. 0, or an error
 * with its text in error (at least 256 bytes).
 */
CF_MUST_CHECK int cf_devca_ensure(struct cf_devca *ret_devca, const char *dir,
	const char *const *names, size_t n_names, char error[static 256]);

#endif
