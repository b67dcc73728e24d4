/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to outlive the process: endpoints and open calls as JSON, and back. The media of a call
 * goes on between the devices while the service restarts; its signalling goes on from here.
 */
#ifndef CF_CALL_SNAPSHOT_H
#define CF_CALL_SNAPSHOT_H

#include "call/domain.h"
#include "json/json.h"

/** An open call as an object (new reference); NULL for no such call, an ended one, or no memory. */
json_t *cf_call_snapshot(const struct cf_call_domain *domain, const char *call_id);

/** Signs a device in under the id that it had. Its stream is taken for closed. As
 * cf_call_endpoint_register(), and CF_EEXIST. */
CF_MUST_CHECK int cf_call_endpoint_restore(struct cf_call_domain *domain,
	const struct cf_call_endpoint_info *info, const char *endpoint_id, struct cf_call_time now,
	struct cf_call_endpoint **ret_endpoint);

/** Takes a call up again, after the endpoints. One that has lost a device it needs (one inside the
 * process that ended, say) ends at once, by event. 0, CF_EBADMSG, CF_EEXIST, CF_ENOMEM. */
CF_MUST_CHECK int cf_call_restore(
	struct cf_call_domain *domain, const json_t *snapshot, struct cf_call_time now);

#endif
