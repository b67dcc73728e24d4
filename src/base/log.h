/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging for apps. Rooms below log at debug at most; apps log once, with the call id. One line is
 * one write(2) to standard error, so lines of several threads never mix. No secrets.
 */
#ifndef CF_BASE_LOG_H
#define CF_BASE_LOG_H

#include "base/err.h"

enum cf_log_level { CF_LOG_DEBUG, CF_LOG_INFO, CF_LOG_WARN, CF_LOG_ERROR, CF_LOG_OFF };

/** Lines below level are dropped; json: one JSON object per line. Call before threads start. */
void cf_log_setup(enum cf_log_level level, int json);

/** Whether a line of this level would be written. */
int cf_log_on(enum cf_log_level level);

/**
 * Writes a line. room: "relay", "http", ... call_id: NULL or the call's id. Lines above 2 KiB are
 * cut. Control characters are replaced, so that a stranger's text cannot forge a line.
 */
void cf_log(enum cf_log_level level, const char *room, const char *call_id, const char *format, ...)
	CF_PRINTF(4, 5);

#define cf_debug(room, ...)                                            \
	do {                                                           \
		if (cf_log_on(CF_LOG_DEBUG))                           \
			cf_log(CF_LOG_DEBUG, room, NULL, __VA_ARGS__); \
	} while (0)

#endif
