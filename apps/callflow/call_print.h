/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALLFLOW_CALL_PRINT_H
#define CALLFLOW_CALL_PRINT_H

#include <callflow/callflow.h>

/** An event on standard output: a JSON object on a line with --json, else words. */
void call_print(const struct callflow_event *event);

#endif
