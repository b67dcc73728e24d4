/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about usage share. For api only. */
#ifndef CF_API_USAGE_H
#define CF_API_USAGE_H

#include "api/api_priv.h"

/* Columns of CF_STORE_USAGE_GET that are looked at by number. */
enum { CF_API_USAGE_ID = 0, CF_API_USAGE_START = 7, CF_API_USAGE_END = 8, CF_API_USAGE_ENDED = 9 };

/** One row as JSON, from the columns of CF_STORE_USAGE_GET. */
json_t *cf_api_usage_row(const struct cf_store_rows *rows, size_t row);

/** The row to go on behind, of "MS.ID" or "" (nulls). after[1] borrows from text. 0 or CF_EINVAL.
 */
CF_MUST_CHECK int cf_api_usage_after(const char *text, struct cf_store_value after[static 2]);

#endif
