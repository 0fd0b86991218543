// SPDX-License-Identifier: MIT
// Binds the table of endpoints to the functions that answer them; the one place that knows them
// all.
#include "agent/handlers.h"

#include "agent/api/callers.h"
#include "agent/api/changes.h"
#include "agent/api/alerts.h"
#include "agent/api/apply.h"
#include "agent/api/export.h"
#include "agent/api/features.h"
#include "agent/api/feed.h"
#include "agent/gateway/gateway.h"
#include "agent/invoke.h"
#include "agent/api/instances.h"
#include "agent/api/keys.h"
#include "agent/api/pages.h"
#include "agent/api/prices.h"
#include "agent/api/routes.h"
#include "agent/api/services.h"
#include "agent/api/status.h"
#include "agent/api/tasks.h"
#include "agent/tasks/caller.h"
#include "agent/api/usages.h"

static const req_handler handlers[EP_COUNT] = {
	[EP_ROOT] = h_root,
	[EP_HEALTHZ] = h_healthz,
	[EP_METRICS] = h_metrics,
	[EP_OPENAPI] = h_openapi,
	[EP_API] = h_api,

	[EP_FEATURE_LIST] = h_feature_list,
	[EP_FEATURE_CREATE] = h_feature_create,
	[EP_FEATURE_GET] = h_feature_get,
	[EP_FEATURE_PUT] = h_feature_put,
	[EP_FEATURE_PATCH] = h_feature_patch,
	[EP_FEATURE_DELETE] = h_feature_delete,
	[EP_FEATURE_REVISIONS] = h_feature_revisions,
	[EP_FEATURE_ROLLBACK] = h_feature_rollback,
	[EP_REVISIONS] = h_revisions,
	[EP_WATCH] = h_watch,
	[EP_CHANGE_LIST] = h_change_list,
	[EP_CHANGE_GET] = h_change_get,
	[EP_CHANGE_UNDO] = h_change_undo,
	[EP_APPLY] = h_apply,
	[EP_EXPORT] = h_export,

	[EP_KEY_LIST] = h_key_list,
	[EP_KEY_CREATE] = h_key_create,
	[EP_KEY_GET] = h_key_get,
	[EP_KEY_PATCH] = h_key_patch,
	[EP_KEY_DELETE] = h_key_delete,
	[EP_KEY_TEST] = h_key_test,
	[EP_KEY_ROTATE] = h_key_rotate,
	[EP_KEY_ENABLE] = h_key_enable,
	[EP_KEY_DISABLE] = h_key_disable,
	[EP_KEY_TEST_NEW] = h_key_test_new,
	[EP_KEY_FINGERPRINT] = h_key_fingerprint,
	[EP_VENDOR_LIST] = h_vendor_list,
	[EP_AUDIT_LIST] = h_audit_list,
	[EP_AUDIT_VERIFY] = h_audit_verify,
	[EP_PRICE_LIST] = h_price_list,
	[EP_PRICE_IMPORT] = h_price_import,

	[EP_CLIENT_LIST] = h_client_list,
	[EP_CLIENT_CREATE] = h_client_create,
	[EP_CLIENT_GET] = h_client_get,
	[EP_CLIENT_PATCH] = h_client_patch,
	[EP_CLIENT_DELETE] = h_client_delete,
	[EP_CLIENT_POLICY_GET] = h_client_policy_get,
	[EP_CLIENT_POLICY_PUT] = h_client_policy_put,
	[EP_TOKEN_LIST] = h_token_list,
	[EP_TOKEN_CREATE] = h_token_create,
	[EP_TOKEN_GET] = h_token_get,
	[EP_TOKEN_DELETE] = h_token_delete,

	[EP_SERVICE_LIST] = h_service_list,
	[EP_SERVICE_CREATE] = h_service_create,
	[EP_SERVICE_GET] = h_service_get,
	[EP_INSTANCE_PUT] = h_instance_put,
	[EP_INSTANCE_GET] = h_instance_get,
	[EP_INSTANCE_DELETE] = h_instance_delete,
	[EP_INSTANCE_HEARTBEAT] = h_instance_heartbeat,
	[EP_INSTANCE_DRAIN] = h_instance_drain,
	[EP_INSTANCE_UNDRAIN] = h_instance_undrain,
	[EP_INSTANCE_CHECK] = h_instance_check,

	[EP_ROUTE_DECIDE] = h_route_decide,
	[EP_ROUTE_LIST] = h_route_list,
	[EP_ROUTE_GET] = h_route_get,
	[EP_ROUTE_PATCH] = h_route_patch,
	[EP_DECISION_LIST] = h_decision_list,
	[EP_DECISION_GET] = h_decision_get,

	[EP_STATUS] = h_status,
	[EP_EVENTS] = h_events,
	[EP_USAGE] = h_usage,
	[EP_SERIES] = h_series,

	[EP_ALERT_LIST] = h_alert_list,
	[EP_ALERT_GET] = h_alert_get,
	[EP_ALERT_ACK] = h_alert_ack,
	[EP_ALERT_RULE_LIST] = h_alert_rule_list,
	[EP_ALERT_RULE_CREATE] = h_alert_rule_create,
	[EP_ALERT_RULE_GET] = h_alert_rule_get,
	[EP_ALERT_RULE_PATCH] = h_alert_rule_patch,
	[EP_ALERT_RULE_DELETE] = h_alert_rule_delete,
	[EP_INVOKE] = h_invoke,
	[EP_TASK_LIST] = h_task_list,
	[EP_TASK_GET] = h_task_get,
	[EP_TASK_CANCEL] = h_task_cancel,
	[EP_CHAT] = h_chat,
	[EP_MESSAGES] = h_messages,
	[EP_COUNT_TOKENS] = h_count_tokens,
	[EP_RESPONSES] = h_responses,
	[EP_COMPLETIONS] = h_completions,
	[EP_EMBEDDINGS] = h_embeddings,
	[EP_SPEECH] = h_speech,
	[EP_TRANSCRIPTIONS] = h_transcriptions,
	[EP_MODERATIONS] = h_moderations,
	[EP_RERANK] = h_rerank,
	[EP_IMAGES] = h_images,
	[EP_IMAGE_EDITS] = h_image_edits,
	[EP_IMAGE_TASK] = h_image_task,
	[EP_MODEL_LIST] = h_model_list,
	[EP_MODEL_GET] = h_model_get,
};

const req_handler *handlers_all(void)
{
	return handlers;
}
