package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog/skill"
	"github.com/cadrehq/cadre/internal/identity"
)

// ListModels serves GET /agent/models.
func (a *API) ListModels(ctx context.Context, _ api.ListModelsRequestObject) (api.ListModelsResponseObject, error) {
	return api.ListModels200JSONResponse(a.cfg.Models.List(ctx)), nil
}

// ListSkills serves GET /agent.
func (a *API) ListSkills(ctx context.Context, req api.ListSkillsRequestObject) (api.ListSkillsResponseObject, error) {
	p := req.Params
	list, err := a.cfg.Skills.List(ctx, actorOf(ctx), skill.Query{
		Repo: p.Repo, Refresh: p.Refresh, ByLastRun: p.SortBy == api.ListSkillsParamsSortByLastRun, Malformed: p.IncludeMalformedSkills,
	})
	return api.ListSkills200JSONResponse(list), err
}

// ListWorkers serves GET /agent/connected-self-hosted-workers.
func (a *API) ListWorkers(ctx context.Context, _ api.ListWorkersRequestObject) (api.ListWorkersResponseObject, error) {
	return api.ListWorkers200JSONResponse{Workers: orEmpty(a.cfg.Workers.List(actorOf(ctx)))}, nil
}

// Whoami serves GET /whoami.
func (a *API) Whoami(ctx context.Context, _ api.WhoamiRequestObject) (api.WhoamiResponseObject, error) {
	actor := actorOf(ctx)
	kinds := map[identity.Kind]api.WhoamiResponseType{
		identity.KindUser:  api.WhoamiResponseTypeUser,
		identity.KindAgent: api.WhoamiResponseTypeServiceAccount,
		identity.KindTeam:  api.WhoamiResponseTypeServiceAccount,
		identity.KindRun:   api.WhoamiResponseTypeRun,
	}
	who := api.Whoami200JSONResponse{
		Uid: actor.UID, Type: kinds[actor.Kind], DisplayName: actor.Name, Email: actor.Email, Role: string(actor.Role),
	}
	if actor.TeamUID != "" {
		who.TeamUids = []string{actor.TeamUID}
	}
	if actor.TeamName != "" {
		who.TeamNames = []string{actor.TeamName}
	}
	// The team worked for comes first.
	for _, m := range actor.Teams {
		if m.TeamUID != actor.TeamUID {
			who.TeamUids, who.TeamNames = append(who.TeamUids, m.TeamUID), append(who.TeamNames, m.TeamName)
		}
	}
	if actor.May(identity.PermOperate) {
		who.Operator = true
	}
	return who, nil
}
