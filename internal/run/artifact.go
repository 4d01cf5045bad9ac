package run

import (
	"context"
	"net/url"
	"path"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const (
	maxArtifactURL  = 2048
	maxArtifactText = 4096
)

// readArtifact checks a reported artifact and completes it: its uid unless it has one, what its type
// requires and the true size of its content. at begins the names of its members in errors.
func (s *Service) readArtifact(ctx context.Context, runID, at string, c checked, a api.ArtifactReport) (checked, error) {
	if err := checkArtifact(at, a.Data); err != nil {
		return c, err
	}
	c.uid = orElse(c.uid, s.cfg.NewID())
	a.Data.ArtifactUid = c.uid
	if err := completeArtifact(at, &a); err != nil {
		return c, err
	}
	m, err := s.checkBlob(ctx, runID, at+"blob", a.Blob, api.BlobKindArtifact, api.BlobKindOutput)
	if err != nil {
		return c, err
	}
	if a.Blob != "" {
		a.Data.SizeBytes = m.Size
	}
	c.data, c.entry = a, api.MakeEntry(c.entry.CreatedAt, a)
	return c, nil
}

// checkArtifact bounds what was said about an artifact; metadata is bounded by the entry itself.
func checkArtifact(at string, d api.ArtifactData) error {
	for name, text := range map[string]string{
		"title": d.Title, "branch": d.Branch, "mime_type": d.MimeType, "description": d.Description,
		"filepath": d.Filepath, "filename": d.Filename, "document_uid": d.DocumentUid, "notebook_uid": d.NotebookUid,
	} {
		if err := checkText(at+"data."+name, text, maxArtifactText); err != nil {
			return err
		}
	}
	if err := checkText(at+"data.reference_type", d.ReferenceType, 256); err != nil {
		return err
	}
	if len(d.Metadata) > 0 && d.Metadata[0] != '{' {
		return api.Invalid(at+"data.metadata", "must be an object")
	}
	return checkLink(at+"data.url", d.Url)
}

func completeArtifact(at string, a *api.ArtifactReport) error {
	d := &a.Data
	switch a.ArtifactType {
	case api.ArtifactTypePLAN:
		d.DocumentUid = orElse(d.DocumentUid, d.ArtifactUid)
		return needBlob(at, a)
	case api.ArtifactTypePULLREQUEST:
		if d.Url == "" || d.Branch == "" {
			return api.Invalid(at+"data", "a pull request needs url and branch")
		}
	case api.ArtifactTypeSCREENSHOT:
		d.MimeType = orElse(d.MimeType, "image/png")
		return needBlob(at, a)
	case api.ArtifactTypeFILE:
		if d.Filepath == "" {
			return api.Invalid(at+"data.filepath", "is required")
		}
		d.Filename = orElse(d.Filename, path.Base(d.Filepath))
		d.MimeType = orElse(d.MimeType, "application/octet-stream")
		return needBlob(at, a)
	case api.ArtifactTypeEXTERNALREFERENCE:
		if d.Url == "" || d.ReferenceType == "" {
			return api.Invalid(at+"data", "an external reference needs url and reference_type")
		}
	default:
		return api.Invalid(at+"artifact_type", "%q is not an artifact type", clip(string(a.ArtifactType), 64))
	}
	return nil
}

func needBlob(at string, a *api.ArtifactReport) error {
	if a.Blob == "" {
		return api.Invalid(at+"blob", "is required for a %s", a.ArtifactType)
	}
	return nil
}

// checkLink accepts what a browser may be sent to.
func checkLink(field, link string) error {
	if link == "" {
		return nil
	}
	if err := checkWord(field, link, maxArtifactURL); err != nil {
		return err
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return api.Invalid(field, "must be an http or https URL")
	}
	return nil
}

// Artifact returns one artifact the actor may see.
func (s *Service) Artifact(ctx context.Context, actor identity.Actor, uid string) (Artifact, error) {
	if err := checkWord("artifact uid", uid, 128); err != nil {
		return Artifact{}, err
	}
	a, err := s.cfg.History.Artifact(ctx, uid)
	if err != nil {
		return Artifact{}, err
	}
	if _, err := s.reach(ctx, actor, a.RunID, identity.PermRead); err != nil {
		if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound {
			return Artifact{}, api.NotFound("artifact", uid)
		}
		return Artifact{}, err
	}
	return a, nil
}

// Artifacts lists what a run produced, oldest first.
func (s *Service) Artifacts(ctx context.Context, actor identity.Actor, id string) ([]Artifact, error) {
	if _, err := s.reach(ctx, actor, id, identity.PermRead); err != nil {
		return nil, err
	}
	all, err := s.cfg.History.Artifacts(ctx, id)
	return all[id], err
}

// Wire is the artifact as listed on its run.
func (a Artifact) Wire() api.Artifact {
	return api.Artifact{ArtifactType: a.Type, CreatedAt: a.CreatedAt, Data: a.Data}
}
