package contractfuzz

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// brokenTargets are the kinds of requests that are broken in one place.
func brokenTargets(op *operation, options Options) []target {
	var all []target
	add := func(kind, at string, change func(*draft)) {
		all = append(all, target{operation: op, kind: kind, at: at, change: change})
	}
	for _, method := range op.otherMethods() {
		add("method "+method, "", func(d *draft) { d.breakMethod(method) })
	}
	add("unknown path", "", breakPath)
	if op.token {
		add("query at the token endpoint", "", func(d *draft) {
			d.query = oneOf(d.rng, "x", "x=1", "username=ada%40example.com", "&", "%", "grant_type=password", "access_token=x")
			d.refuse(http.StatusUnprocessableEntity, fieldError{"", "query_not_allowed"})
		})
	}
	for _, m := range op.params {
		add("of another form", m.name, func(d *draft) {
			d.setParam(m, oneOf(d.rng, d.misfit(m), d.text(m, m.longest, pickPlain)+d.word(), "%zz", "%", "a/b", " ", "\x00", "\xff", "\U0001F600"))
			d.refuse(http.StatusNotFound)
		})
	}
	if op.secured {
		addBrokenCredentials(op, add)
	}
	if op.body != nil {
		addBrokenHeaders(op, options, add)
		addBrokenBodies(op, add)
	}
	return all
}

func (d *draft) breakMethod(method string) {
	d.method = method
	if d.method == http.MethodTrace || d.chance(2) {
		d.bare = true // TRACE must have none (RFC 9110 section 9.3.8)
	}
	if d.chance(2) {
		d.header.Del("Authorization")
	}
	d.refuse(http.StatusMethodNotAllowed)
}

func breakPath(d *draft) {
	path := d.path
	base := strings.TrimSuffix(path, "/")
	last := base[strings.LastIndex(base, "/")+1:]
	candidates := slices.DeleteFunc([]string{
		base + "//", "/" + path, base + "/" + d.word(), base + "/" + d.word() + "/", base + d.word() + "/", strings.ToUpper(path),
		strings.TrimSuffix(base, last) + strings.ToUpper(last) + "/", base + "%2f", base + "%00", base + ";x/", base + "%20/", base + "/.",
		base + "/..%2f" + last, base + ".json", "/" + d.word() + path, strings.Replace(path, "/", "/./", 1), "/" + d.word(),
		base + "/%ff", base + "%F0%9F%98%80", base + "/*", base + `/\`, base + "/%2e%2e/" + last + "/", "/", base + "/",
	}, d.op.isPath)
	d.path = oneOf(d.rng, candidates...)
	d.refuse(http.StatusNotFound)
}

func addBrokenCredentials(op *operation, add adder) {
	header := func(kind string, values func(d *draft, token string) []string) {
		add("Authorization "+kind, "", func(d *draft) {
			_, token, _ := strings.Cut(d.header.Get("Authorization"), " ")
			d.header.Del("Authorization")
			if all := values(d, token); all != nil {
				d.header["Authorization"] = all
			}
			d.refuse(http.StatusUnauthorized)
		})
	}
	header("missing", func(*draft, string) []string { return nil })
	header("empty", func(*draft, string) []string { return []string{""} })
	for _, scheme := range schemes {
		header(fmt.Sprintf("with scheme %q", scheme), func(_ *draft, token string) []string { return []string{scheme + token} })
	}
	header("without token", func(d *draft, _ string) []string { return []string{oneOf(d.rng, "Bearer", "Bearer ", "bearer  ")} })
	header("twice", func(_ *draft, token string) []string { return []string{"Bearer " + token, "Bearer " + token} })
	header("with an altered token", func(d *draft, token string) []string { return []string{"Bearer " + d.alter(token)} })
	header("with an odd token", func(d *draft, token string) []string { return []string{"Bearer " + d.oddToken(token)} })
	header("with an unsigned token", func(d *draft, token string) []string { return []string{"Bearer " + d.unsign(token)} })
	add("token in the query", "", func(d *draft) {
		_, token, _ := strings.Cut(d.header.Get("Authorization"), " ")
		d.header.Del("Authorization")
		d.query = "access_token=" + token
		d.refuse(http.StatusUnauthorized)
	})
	if slices.Contains(op.statuses, "400") {
		add("token in header and query", "", func(d *draft) {
			d.query = "access_token=" + oneOf(d.rng, "", "x", strings.TrimPrefix(d.header.Get("Authorization"), "Bearer "))
			d.refuse(http.StatusBadRequest)
		})
	}
}

// schemes are what may not stand before a token.
var schemes = []string{"", "Basic ", "Token ", "JWT ", "Bearer:", "Bearer\t", "BearerX ", "Bear er ", "Digest ", "Bearer,", "\"Bearer\" ", "DPoP "}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// alter changes one character of a token for another of its alphabet. Also the last one of a part counts, whose low
// bits say nothing: a token that is spelled otherwise is another token.
func (d *draft) alter(token string) string {
	at := d.rng.IntN(len(token))
	if d.chance(4) {
		at = len(token) - 1
	}
	c := oneOf(d.rng, []byte(base64URL)...)
	if c == token[at] {
		c = base64URL[(strings.IndexByte(base64URL, c)+1)%len(base64URL)]
	}
	return token[:at] + string(c) + token[at+1:]
}

func (d *draft) oddToken(token string) string {
	parts := strings.Split(token, ".")
	cut := 1 + d.rng.IntN(len(token)-1)
	return oneOf(d.rng, token+"=", token+"x", "x"+token, token+".", "."+token, token+" x", token+","+token, token[:cut], token[cut:],
		`"`+token+`"`, "..", ".", "x", strings.Join(parts[:2], "."), strings.Join(parts[:2], ".")+".", parts[0]+"."+parts[1]+"."+parts[2]+"."+parts[2],
		token[:cut]+"\t"+token[cut:], token[:cut]+" "+token[cut:], token[:cut]+"\xff"+token[cut:], strings.ToUpper(token), strings.Repeat("A", 8000))
}

// unsign makes a token that asks not to be checked (RFC 8725 section 2.1).
func (d *draft) unsign(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + oneOf(d.rng, "none", "None", "", "HS384", "RS256") + `","typ":"at+jwt"}`))
	return head + "." + payload + "." + oneOf(d.rng, "", signature)
}

func addBrokenHeaders(op *operation, options Options, add adder) {
	unsupported := func(kind string, change func(*draft)) {
		add(kind, "", func(d *draft) {
			change(d)
			d.refuse(http.StatusUnsupportedMediaType)
		})
	}
	other := mediaForm
	if op.media == mediaForm {
		other = mediaJSON
	}
	unsupported("Content-Type missing", func(d *draft) { d.header.Del("Content-Type") })
	unsupported("Content-Type of another kind", func(d *draft) {
		d.header.Set("Content-Type", oneOf(d.rng, other, "text/plain", "application/problem+json", "application/xml", "application/*",
			"multipart/form-data; boundary=x", "text/json", op.media+"x", "x"+op.media, "application/octet-stream"))
	})
	unsupported("Content-Type malformed", func(d *draft) {
		d.header.Set("Content-Type", oneOf(d.rng, "", "garbage", "/", op.media+"; charset", op.media+"; =utf-8", op.media+", "+op.media, `"`+op.media+`"`))
	})
	unsupported("Content-Type twice", func(d *draft) { d.header["Content-Type"] = []string{op.media, oneOf(d.rng, op.media, other)} })
	unsupported("charset", func(d *draft) {
		d.header.Set("Content-Type", op.media+"; charset="+oneOf(d.rng, "utf-16", "iso-8859-1", "us-ascii", "utf8", `""`, "utf-7", "x", "utf-8x"))
	})
	unsupported("Content-Encoding", func(d *draft) {
		d.header["Content-Encoding"] = oneOf(d.rng, []string{"gzip"}, []string{"br"}, []string{"deflate"}, []string{"identity, gzip"},
			[]string{"identity", "gzip"}, []string{"x"}, []string{"zstd"})
	})
	if op.media == mediaJSON || op.body.open {
		add("body too large", "", func(d *draft) {
			d.chunked = d.chance(2)
			d.spoil = func(data []byte) []byte { return d.pad(data, options.MaxBody+1) }
			d.refuse(http.StatusRequestEntityTooLarge)
		})
	}
}
