/* SPDX-License-Identifier: Apache-2.0 */
#include "client/why.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char why[256];

void cf_client_why_set(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
}

const char *cf_client_why(void)
{
	return why;
}
