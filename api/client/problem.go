package client

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// maxProblem bounds an error answer.
const maxProblem = 1 << 20

// problem reads an error answer. An answer that is no problem document (a proxy's page, say) still
// becomes a Failure, with the code its status suggests.
func problem(rsp *http.Response) *api.Failure {
	b, _ := io.ReadAll(io.LimitReader(rsp.Body, maxProblem))
	f := &api.Failure{Code: codeOfStatus(rsp.StatusCode), Status: rsp.StatusCode}
	var p api.Error
	kind, _, _ := mime.ParseMediaType(rsp.Header.Get("Content-Type"))
	if !strings.HasSuffix(kind, "json") || json.Unmarshal(b, &p) != nil {
		f.Detail = rsp.Status + " from " + rsp.Request.URL.Redacted()
		return f
	}
	if code, ok := codeOfType(p.Type); ok {
		f.Code = code
	}
	f.Retryable = p.Retryable
	f.Detail = firstNonEmpty(p.Detail, p.Error, p.Title, rsp.Status)
	// A detail that begins "field: …" names the member that is wrong, see api.Invalid.
	if field, _, ok := strings.Cut(f.Detail, ": "); ok && f.Code == api.PlatformErrorCodeInvalidRequest && !strings.Contains(field, " ") {
		f.Field = field
	}
	return f
}

// codeOfType takes the code from the end of a problem's type URI, in either spelling.
func codeOfType(uri string) (api.PlatformErrorCode, bool) {
	s := strings.TrimRight(uri, "/")
	s = s[strings.LastIndexAny(s, "/:")+1:]
	s = strings.ReplaceAll(s, "-", "_")
	return api.PlatformErrorCode(s), s != "" && s != "blank"
}

// codeOfStatus is the first code of the table with a status, so that an answer without a code is
// still told apart by kind.
func codeOfStatus(status int) api.PlatformErrorCode {
	i := slices.IndexFunc(api.Codes, func(c api.Code) bool { return c.Status == status })
	switch {
	case i >= 0:
		return api.Codes[i].Name
	case status >= 400 && status < 500:
		return api.PlatformErrorCodeInvalidRequest
	}
	return api.PlatformErrorCodeInternalError
}

func firstNonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
