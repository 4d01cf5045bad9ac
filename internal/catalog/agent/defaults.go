package agent

import (
	"context"
	"fmt"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// Defaults are those of the team the actor works for; another team is not found.
func (s *Service) Defaults(ctx context.Context, actor identity.Actor, teamUID string) (Defaults, error) {
	if teamUID == "" || teamUID != actor.TeamUID {
		return Defaults{}, api.NotFound("team", teamUID)
	}
	if err := actor.Check(identity.PermRead); err != nil {
		return Defaults{}, err
	}
	return s.cfg.Store.Defaults(ctx, teamUID)
}

// TeamDefaults are a team's, whoever asks.
func (s *Service) TeamDefaults(ctx context.Context, teamUID string) (Defaults, error) {
	return s.cfg.Store.Defaults(ctx, teamUID)
}

// UpdateDefaults changes what a request says of the defaults of the team the actor works for.
func (s *Service) UpdateDefaults(ctx context.Context, actor identity.Actor, teamUID string, req api.UpdateTeamDefaultsRequest) (Defaults, error) {
	if teamUID == "" || teamUID != actor.TeamUID {
		return Defaults{}, api.NotFound("team", teamUID)
	}
	if err := actor.Check(identity.PermAdminister); err != nil {
		return Defaults{}, err
	}
	if err := s.checkDefaults(ctx, actor, req); err != nil {
		return Defaults{}, err
	}
	d, err := s.cfg.Store.ChangeDefaults(ctx, teamUID, func(d *Defaults) error {
		set(&d.Model, req.ModelId)
		set(&d.EnvironmentID, req.EnvironmentId)
		set(&d.WorkerHost, req.WorkerHost)
		set(&d.MaxConcurrentRuns, req.MaxConcurrentRuns)
		return nil
	})
	if err != nil {
		return Defaults{}, fmt.Errorf("change team's defaults: %w", err)
	}
	s.cfg.Did(actor, identity.ActChangeDefaults, teamUID)
	return d, nil
}

// checkDefaults refuses what is wrong with a request, naming the member, and trims what it keeps.
func (s *Service) checkDefaults(ctx context.Context, actor identity.Actor, req api.UpdateTeamDefaultsRequest) error {
	if m := req.ModelId; m != nil && *m != "" {
		if err := catalog.CheckWord("model_id", *m, 256); err != nil {
			return err
		}
		if err := s.model("model_id", *m); err != nil {
			return err
		}
	}
	if e := req.EnvironmentId; e != nil {
		if err := s.checkEnvironment(ctx, actor, "environment_id", *e); err != nil {
			return err
		}
	}
	if h := req.WorkerHost; h != nil {
		*h = strings.TrimSpace(*h)
		if err := catalog.CheckWord("worker_host", *h, maxHost); err != nil {
			return err
		}
	}
	n, most := req.MaxConcurrentRuns, s.cfg.MaxConcurrentRuns
	if n != nil && most > 0 && *n > most && !actor.Operator {
		return api.Invalid("max_concurrent_runs", "may be at most %d on this server; only an operator can give a team more", most)
	}
	return nil
}
