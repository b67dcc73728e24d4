/* SPDX-License-Identifier: Apache-2.0 */
/* What files of sound and of pictures have in common. */
#ifndef CF_MEDIA_FILE_H
#define CF_MEDIA_FILE_H

#include "base/err.h"

/** Why a file could not be opened or made: CF_ENOTFOUND, CF_EDENIED or CF_EIO for an errno value.
 */
int cf_media_file_error(int err_no);

#endif
