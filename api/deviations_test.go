package api_test

// deviations says why openapi.yaml differs from the reference where it does: "where: aspect" as
// TestAgainstTheReference prints it, and the reason.
var deviations = map[string]string{
	"AmbientAgentConfig.idle_timeout_minutes: minimum":           "0 ends the sandbox at once, which there no request can ask for",
	"GET /agent/artifacts/{artifactUid}: auth":                   "no artifact is public here: who may see the run may see it, and its link needs no key",
	"Harness.type: enum":                                         "more harnesses; a run shows one of them only if it was asked for it",
	"PlatformErrorCode: enum":                                    "three more, for what becomes of sandboxes and for what runs store; all known clients show unknown ones",
	"PATCH /agent/runs/{runId}/event-sequence: 200":              "204, since there is nothing to say; clients take any 2xx",
	"POST /agent/runs/{runId}/client-events: 200":                "204, since there is nothing to say; clients take any 2xx",
	"DELETE /memory_stores/{storeUid}/memories/{memoryUid}: 200": "204, since there is nothing to say; clients take any 2xx",
	"RunAgentRequest.attachments: maxItems":                      "their command line sends up to 25",
}
