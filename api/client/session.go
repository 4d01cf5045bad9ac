package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cadrehq/cadre/api"
)

// Entries returns the entries of a run after the one numbered after, at most limit (0: the server's
// default).
func (c *Client) Entries(ctx context.Context, runID string, after int64, limit int) (api.ListEntriesResponse, error) {
	q := url.Values{"after": {strconv.FormatInt(after, 10)}}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return Read[api.ListEntriesResponse](c.raw.ListEntries(ctx, runID, nil, Query(q)))
}

// RunConversation returns the normalised conversation of a run.
func (c *Client) RunConversation(ctx context.Context, runID string) (api.ConversationResponse, error) {
	return Read[api.ConversationResponse](c.raw.GetRunConversation(ctx, runID))
}

// Conversation returns a normalised conversation.
func (c *Client) Conversation(ctx context.Context, conversationID string) (api.ConversationResponse, error) {
	return Read[api.ConversationResponse](c.raw.GetConversation(ctx, conversationID))
}

// DownloadTranscript writes the raw transcript of a run to w and returns its size in bytes.
func (c *Client) DownloadTranscript(ctx context.Context, runID string, w io.Writer) (int64, error) {
	return save(w)(c.raw.GetTranscript(ctx, runID))
}

// DownloadOutput writes the whole of an output that was too large for its entry, which names it by a
// blob id, and returns its size in bytes.
func (c *Client) DownloadOutput(ctx context.Context, runID, blobID string, w io.Writer) (int64, error) {
	return save(w)(c.raw.GetRunBlob(ctx, runID, blobID))
}

// Artifacts lists what a run produced, oldest first.
func (c *Client) Artifacts(ctx context.Context, runID string) ([]api.Artifact, error) {
	v, err := Read[api.ListArtifactsResponse](c.raw.ListArtifacts(ctx, runID))
	return v.Artifacts, err
}

// Artifact returns one artifact; its link needs no key until it expires.
func (c *Client) Artifact(ctx context.Context, uid string) (api.ArtifactContent, error) {
	return Read[api.ArtifactContent](c.raw.GetArtifact(ctx, uid))
}

// DownloadArtifact writes the content of an artifact to w and returns its size in bytes. A plan's
// content is its text.
func (c *Client) DownloadArtifact(ctx context.Context, a api.ArtifactContent, w io.Writer) (int64, error) {
	if a.Data.DownloadUrl == "" {
		if a.Data.Content == "" {
			return 0, fmt.Errorf("artifact %s (%s) has no content to download", a.ArtifactUid, a.ArtifactType)
		}
		n, err := io.WriteString(w, a.Data.Content)
		return int64(n), err
	}
	return c.Download(ctx, a.Data.DownloadUrl, w)
}

// Download writes what a signed link leads to. A link without a host is one of this server. The key
// is not sent.
func (c *Client) Download(ctx context.Context, link string, w io.Writer) (int64, error) {
	base, err := url.Parse(c.root + "/")
	if err != nil {
		return 0, err
	}
	u, err := base.Parse(link)
	if err != nil {
		return 0, fmt.Errorf("download link: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, fmt.Errorf("download link: %w", err)
	}
	rsp, err := c.http.Do(req)
	return save(w)(rsp, explain(req, err))
}

// save streams an answer to w.
func save(w io.Writer) func(*http.Response, error) (int64, error) {
	return func(rsp *http.Response, err error) (int64, error) {
		if err != nil {
			return 0, err
		}
		defer rsp.Body.Close()
		if rsp.StatusCode < 200 || rsp.StatusCode > 299 {
			return 0, problem(rsp)
		}
		n, err := io.Copy(w, rsp.Body)
		if err != nil {
			return n, fmt.Errorf("download after %d bytes: %w", n, err)
		}
		return n, nil
	}
}
