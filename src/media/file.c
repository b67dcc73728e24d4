/* SPDX-License-Identifier: Apache-2.0 */
#include "media/file.h"

#include <errno.h>

int cf_media_file_error(int err_no)
{
	switch (err_no) {
	case ENOENT:
	case ENOTDIR:
		return CF_ENOTFOUND;
	case EACCES:
	case EPERM:
	case EISDIR:
	case EROFS:
		return CF_EDENIED;
	default:
		return CF_EIO;
	}
}
