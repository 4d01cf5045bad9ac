package api

import (
	"encoding/json"
	"time"
)

// Artifact is something a run produced, as listed on the run. Which members of Data are present
// depends on ArtifactType (openapi.yaml: ArtifactItem).
type Artifact struct {
	ArtifactType ArtifactType
	CreatedAt    time.Time
	Data         ArtifactData
}

// ArtifactData is the union of the members that the artifact types carry.
type ArtifactData struct {
	ArtifactUid   string          `json:"artifact_uid,omitempty"`
	DocumentUid   string          `json:"document_uid,omitempty"`
	NotebookUid   string          `json:"notebook_uid,omitempty"`
	Url           string          `json:"url,omitempty"`
	Title         string          `json:"title,omitempty"`
	Branch        string          `json:"branch,omitempty"`
	MimeType      string          `json:"mime_type,omitempty"`
	Description   string          `json:"description,omitempty"`
	Filepath      string          `json:"filepath,omitempty"`
	Filename      string          `json:"filename,omitempty"`
	SizeBytes     int64           `json:"size_bytes,omitempty"`
	ReferenceType string          `json:"reference_type,omitempty"`
	Metadata      json.RawMessage `json:"metadata,omitempty"`
}

// ArtifactContent is one artifact with access to its content (openapi.yaml: ArtifactResponse).
type ArtifactContent struct {
	ArtifactUid  string
	ArtifactType ArtifactType
	CreatedAt    time.Time
	Data         ArtifactContentData
}

// ArtifactContentData is the union of the members that fetched artifacts carry: a plan's text
// inline, a signed link for anything stored as a file.
type ArtifactContentData struct {
	DocumentUid string     `json:"document_uid,omitempty"`
	NotebookUid string     `json:"notebook_uid,omitempty"`
	Url         string     `json:"url,omitempty"`
	Title       string     `json:"title,omitempty"`
	Content     string     `json:"content,omitempty"`
	ContentType string     `json:"content_type,omitempty"`
	DownloadUrl string     `json:"download_url,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	Filepath    string     `json:"filepath,omitempty"`
	Filename    string     `json:"filename,omitempty"`
	Description string     `json:"description,omitempty"`
	SizeBytes   int64      `json:"size_bytes,omitempty"`
}

type artifactJSON struct {
	ArtifactType ArtifactType `json:"artifact_type"`
	CreatedAt    time.Time    `json:"created_at"`
	Data         ArtifactData `json:"data"`
}

type artifactContentJSON struct {
	ArtifactUid  string              `json:"artifact_uid"`
	ArtifactType ArtifactType        `json:"artifact_type"`
	CreatedAt    time.Time           `json:"created_at"`
	Data         ArtifactContentData `json:"data"`
}

// MarshalJSON writes the wire form. (The generator calls these methods on every union type.)
func (a Artifact) MarshalJSON() ([]byte, error) { return json.Marshal(artifactJSON(a)) }

// UnmarshalJSON reads the wire form.
func (a *Artifact) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*artifactJSON)(a)) }

// MarshalJSON writes the wire form.
func (a ArtifactContent) MarshalJSON() ([]byte, error) {
	return json.Marshal(artifactContentJSON(a))
}

// UnmarshalJSON reads the wire form.
func (a *ArtifactContent) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, (*artifactContentJSON)(a))
}

// ReportedArtifact is something an agent made outside of its sandbox (openapi.yaml:
// ReportArtifactRequest).
type ReportedArtifact struct {
	ArtifactType ArtifactType
	Data         ArtifactData
}

type reportedArtifactJSON struct {
	ArtifactType ArtifactType `json:"artifact_type"`
	Data         ArtifactData `json:"data"`
}

// MarshalJSON writes the wire form.
func (a ReportedArtifact) MarshalJSON() ([]byte, error) { return json.Marshal(reportedArtifactJSON(a)) }

// UnmarshalJSON reads the wire form.
func (a *ReportedArtifact) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, (*reportedArtifactJSON)(a))
}

// WorkspaceType is the media type of a workspace's snapshot, as runners and `cadre agent run-cloud
// --with-changes` make it: what a run is handed over with begins with that.
const WorkspaceType = "application/vnd.cadre.workspace+gzip"
