/* SPDX-License-Identifier: Apache-2.0 */
/* Why the last thing of this thread failed, in words that name files and devices. */
#ifndef CF_CLIENT_WHY_H
#define CF_CLIENT_WHY_H

#include "base/err.h"

/** Sets the text; "" forgets it. */
void cf_client_why_set(const char *format, ...) CF_PRINTF(1, 2);
/** The text, or "". Of this thread. */
const char *cf_client_why(void);

#endif
