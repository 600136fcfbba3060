package contractfuzz

import (
	"fmt"
	"slices"
	"strings"
)

// addValid adds the kinds of valid requests. Each changes one thing that must make no difference.
func addValid(op *operation, add adder) {
	add("any", want{}, func(*draft) {})
	add.header(want{}, "Accept", "Accept", "", "*/*", "application/xml", "application/json;q=0", "garbage", ", ,;q")
	if strings.HasPrefix(op.path, "/api/") {
		add("no last slash", want{}, func(d *draft) { d.path = strings.TrimSuffix(d.path, "/") })
	}
	if !op.token {
		add("undeclared query", want{}, func(d *draft) { d.query = pick(d, "?x", "?x=1", "?a=b&a=c", "?%F0%9F%98%80", "?") })
	}
	if op.secured {
		add.header(want{}, "scheme", authorization, "bearer TOKEN", "BEARER TOKEN", "Bearer    TOKEN")
	} else {
		add.header(want{}, "needless token", authorization, "Basic Og==", "Bearer x", "Bearer", "x")
	}
	for _, m := range op.params {
		add("of nothing "+m.name, want{}, func(d *draft) {
			d.setParam(m, d.text(m, pick(d, m.longest, 1, usual), palettes...))
		})
	}
	if op.media == "" {
		return
	}
	add.header(want{}, "media type", contentType,
		strings.ToUpper(op.media), op.media+"; charset=UTF-8", op.media+` ;Charset="utf-8"`)
	add.header(want{}, "encoding", "Content-Encoding", "identity", "Identity")
	add("chunked", want{}, func(d *draft) { d.chunked = true })
	if !op.RequestBody.Value.Required {
		add("no body", want{}, func(d *draft) { d.bare = true; d.header.Del(contentType) })
	}
	if op.isJSON() || op.open {
		add("largest body", want{}, func(d *draft) { d.pad(d.maxBody) })
	}
	if op.open {
		add("unlisted", want{}, func(d *draft) { d.insert("zz", "x", false) })
	}
	for i, example := range op.examples {
		for _, style := range styles {
			// Its credentials are a user's, so the answer shows whether a value was read as it was
			// written.
			add(fmt.Sprint("example ", i, " ", style), want{known: true}, func(d *draft) {
				d.fields, d.style = nil, style
				for _, m := range op.members {
					if value, ok := example[m.name].(string); ok {
						d.set(m, value)
					} else if m.values != nil && example[m.name] != nil {
						d.set(m, jsonOf(example[m.name]))
					}
				}
			})
		}
	}
	for _, m := range op.members {
		if !m.required {
			add("absent "+m.name, want{}, func(d *draft) { d.remove(m) })
		}
		if m.values != nil {
			add("each "+m.name, want{}, func(d *draft) { d.set(m, d.value(m)) })
			continue
		}
		text := func(name string, n int, palettes ...string) {
			add(name+" "+m.name, want{}, func(d *draft) { d.set(m, d.text(m, n, palettes...)) })
		}
		text("shortest", m.shortest, palettes...)
		text("longest", m.longest, palettes...)
		text("odd", max(m.shortest, min(usual, m.longest)), "odd")
	}
}

// addBroken adds the kinds of requests that are broken in one place.
func addBroken(op *operation, add adder) {
	add("method", want{status: 405}, func(d *draft) {
		d.method = pick(d, op.others...)
		d.bare = d.method == "TRACE" || d.coin() // RFC 9110 section 9.3.8
	})
	add("path", want{status: 404}, func(d *draft) {
		base := strings.TrimSuffix(d.path, "/")
		d.path = pick(d, slices.DeleteFunc([]string{
			base + "//", "/" + d.path, base + "zz/", "/zz" + d.path, strings.ToUpper(base), base + "%2f",
			base + "%00", base + ";x/",
		}, func(path string) bool { return op.isPath(strings.TrimSuffix(path, "/") + "/") })...)
	})
	for _, m := range op.params {
		add("pattern "+m.name, want{status: 404}, func(d *draft) {
			d.setParam(m, pick(d, d.misfit(m), d.text(m, m.longest, "letters")+"x", "%zz", "a/b", " ", "\x00", "\xff"))
		})
	}
	if op.token { // only the body counts
		add("query", invalid("", "query_not_allowed"), func(d *draft) {
			d.query = pick(d, "?x", "?grant_type=password", "?&", "?%")
		})
	}
	if refused := (want{status: 401}); op.secured {
		add.header(refused, "scheme", authorization,
			"TOKEN", "Basic TOKEN", "Bearer:TOKEN", "BearerX TOKEN", "Bear er TOKEN", "DPoP TOKEN")
		add.header(refused, "token", authorization,
			"", "Bearer", "Bearer ..", "Bearer TOKEN=", "Bearer xTOKEN", "Bearer TOKEN x")
		add("no token", refused, func(d *draft) { d.header.Del(authorization) })
		add("two tokens", refused, func(d *draft) { d.header.Add(authorization, d.header.Get(authorization)) })
		add("token in the query", refused, func(d *draft) {
			d.header.Del(authorization)
			d.query = "?access_token=" + d.token
		})
		add("token twice", want{status: 400}, func(d *draft) { d.query = "?access_token=" + pick(d, "", "x", d.token) })
	}
	if op.media != "" {
		addBrokenBodies(op, add)
	}
}

// invalid is a 422 with one error.
func invalid(pointer, code string) want {
	return want{status: 422, errors: []fieldError{{pointer, code}}}
}

func addBrokenBodies(op *operation, add adder) {
	for _, m := range op.members {
		addBrokenMember(op, m, add)
	}
	unsupported := want{status: 415}
	other := map[string]string{mediaForm: mediaJSON, mediaJSON: mediaForm, mediaPatch: mediaJSON}[op.media]
	add.header(unsupported, "media type", contentType,
		other, "", "text/plain", "application/*", op.media+"x", "/", op.media+"; charset")
	add.header(unsupported, "charset", contentType,
		op.media+"; charset=utf-16", op.media+`; charset=""`, op.media+"; charset=utf8")
	add.header(unsupported, "encoding", "Content-Encoding", "gzip", "br", "identity, gzip", "x")
	add("no media type", unsupported, func(d *draft) { d.header.Del(contentType) })
	add("two media types", unsupported, func(d *draft) {
		d.header[contentType] = []string{op.media, pick(d, op.media, other)}
	})
	if op.isJSON() || op.open {
		add("too large", want{status: 413}, func(d *draft) { d.chunked = pick(d, true, false); d.pad(d.maxBody + 1) })
	}
	if op.RequestBody.Value.Required {
		add("no body", invalid("", "required"), func(d *draft) { d.bare = true; d.header.Del(contentType) })
	}
	body := func(name, code string, templates ...string) {
		add(name, invalid("", code), func(d *draft) {
			template := pick(d, templates...)
			d.spoil = func(body string) string { return strings.Replace(template, "BODY", body, 1) }
		})
	}
	if op.media == mediaForm {
		body("malformed name", "malformed", "%zz=1&BODY", "BODY&a%=1", "BODY&%4")
		body("name not UTF-8", "malformed", "%ff=1&BODY", "BODY&\xff=1", "BODY&a%C0%80=1")
	} else {
		body("another value", "wrong_type", "null", `"{}"`, "0", "true", "[]", "[BODY]")
		body("more than the body", "malformed", "BODYx", "BODY{}", "BODY,", "BODY\x00", "\x00BODY", "\ufeffBODY", "/**/BODY")
		body("no JSON", "malformed", " ", "<a/>", "\xff", "{]", "{", strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001))
	}
	for _, name := range []string{"zz", strings.ToUpper(op.members[0].name), "__proto__", " ", "a/b", "a~b", "😀"} {
		pointer := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name) // RFC 6901
		if op.open {
			add("twice "+name, invalid(pointer, "duplicate"), func(d *draft) {
				d.insert(name, "", false)
				d.insert(name, "x", false)
			})
		} else {
			add("unlisted "+name, invalid(pointer, "unknown"), func(d *draft) { d.insert(name, "", false) })
		}
	}
}

// notUTF8 are bytes alone, overlong, of a surrogate, beyond the last code point, cut off.
var notUTF8 = []string{
	"\xff", "\x80", "\xc0\x80", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe6\x97", "\xf0\x9f\x98",
}

// notEmails have the length of an address.
var notEmails = []string{
	"ada.example.com", "@example.com", "ada@", "ada@eve@example.com", "ada@example", "ada@example..com",
	"ada@example.com.", ".ada@example.com", "Ada <ada@example.com>", `"ada"@example.com`,
	"ada(eve)@example.com", " ada@example.com", "ada@exam ple.com", "ada@127.0.0.1", "ada@-example.com",
	"ada@exa_mple.com", "a\x00da@example.com", "a\u200bda@example.com", "ada,eve@example.com",
}

// addBrokenValues adds the kinds in which a boolean or a list is broken.
func addBrokenValues(m member, add adder) {
	here := "/" + m.name
	raw := func(name, at, code string, values ...string) {
		add(name+" "+m.name, invalid(at, code), func(d *draft) { d.set(m, pick(d, values...)) })
	}
	raw("wrong type", here, "wrong_type", "1", `"true"`, `"x"`, "{}", "null", `{"x":"y"}`)
	add("twice "+m.name, invalid(here, "duplicate"), func(d *draft) {
		d.set(m, d.value(m))
		d.insert(m.name, d.value(m), true)
	})
	if m.Items != nil {
		raw("not of the enumeration", here+"/0", "invalid_format", `["x"]`, `[""]`, `["\u0000"]`, "[1]", "[null]", "[[]]")
	}
}

func addBrokenMember(op *operation, m member, add adder) {
	if m.values != nil {
		addBrokenValues(m, add)
		return
	}
	if len(m.Enum) > 0 {
		refused := invalid("/"+m.name, "invalid_format")
		if op.token && m.name == "grant_type" {
			refused = want{status: 400} // RFC 6749 section 5.2 has an error of its own
		}
		add("not of the enumeration "+m.name, refused, func(d *draft) {
			d.set(m, pick(d, "x", "Password", "password ", strings.Repeat("x", 300)))
		})
		return
	}
	here, body := "/"+m.name, ""
	set := func(name, at, code string, change func(*draft)) { add(name+" "+m.name, invalid(at, code), change) }
	raw := func(name, at, code, around string, values ...string) {
		set(name, at, code, func(d *draft) { d.remove(m); d.insert(m.name, around+pick(d, values...)+around, true) })
	}
	of := func(n int) func(*draft) {
		return func(d *draft) { d.set(m, strings.Repeat(pick(d, "x", "é", "😀"), n)) }
	}
	set("too long", here, "too_long", of(m.longest+1))
	set("much too long", here, "too_long", of(3*m.longest))
	set("twice", here, "duplicate", func(d *draft) { d.set(m, d.value(m)); d.insert(m.name, d.value(m), false) })
	if m.required {
		set("missing", here, "required", func(d *draft) { d.remove(m) })
	}
	if isOfForm := !strings.HasPrefix(m.Pattern, "^[^"); m.Pattern != "" {
		code := map[bool]string{true: "invalid_format", false: "invalid_character"}[isOfForm]
		set("pattern", here, code, func(d *draft) { d.set(m, d.misfit(m)) })
	}
	if m.Format == "idn-email" {
		set("format", here, "invalid_format", func(d *draft) { d.set(m, pick(d, notEmails...)) })
	}
	if op.media == mediaForm {
		if m.shortest > 0 { // RFC 6749 section 3.2
			set("empty", here, "required", of(0))
		}
		raw("not UTF-8", here, "malformed", "x", notUTF8...)
		raw("malformed", body, "malformed", "x", "%", "%zz", "%u0041", "%4.", ";")
		return
	}
	if m.shortest > 0 {
		set("empty", here, "too_short", of(0))
		set("too short", here, "too_short", of(m.shortest-1))
	}
	others := []string{"1", "1.5", "true", "[]", `["x"]`, "{}", `{"x":"y"}`}
	if !m.Nullable {
		others = append(others, "null")
	}
	raw("wrong type", here, "wrong_type", "", others...)
	surrogates := []string{`\ud800`, `\udc00`, `\ud83dx`, `\ude00\ud83d`}
	raw("not UTF-8", body, "malformed", `"`, append(surrogates, notUTF8...)...)
	raw("malformed text", body, "malformed", `"`, "\x00", "\n", `\x41`, `\u12.`, `\'`, `"`)
	raw("malformed", body, "malformed", "", "NaN", "'x'", "undefined", "01", "+1", ".5", "")
}
