package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
	"github.com/cadrehq/cadre/internal/usage"
)

// SummarizeUsage serves GET /usage/summary.
func (a *API) SummarizeUsage(ctx context.Context, req api.SummarizeUsageRequestObject) (api.SummarizeUsageResponseObject, error) {
	zone, err := schedule.LoadZone(req.Params.TimeZone)
	if err != nil {
		return nil, err
	}
	by := req.Params.By
	if by == "" {
		by = api.UsageByDay
	}
	summary, err := a.cfg.Summaries.Summary(ctx, actorOf(ctx), usage.Question{From: req.Params.From, To: req.Params.To, Zone: zone, By: by})
	return api.SummarizeUsage200JSONResponse(summary), err
}
