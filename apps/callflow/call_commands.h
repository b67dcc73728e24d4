/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALLFLOW_CALL_COMMANDS_H
#define CALLFLOW_CALL_COMMANDS_H

#include <callflow/callflow.h>

#include <stdbool.h>

/** Does what a line of standard input says, if there is one: "add USER", "hold" ... Call it again
 * and again during a call; it never waits. */
void call_commands_poll(struct callflow_client *client);

/** Whether a line, of whatever it says, was entered. Never waits. */
bool call_commands_enter(void);

#endif
