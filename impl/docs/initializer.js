'use strict';

// Swagger UI's dark rules hang on a class, so that they follow the system's choice only if something sets it.
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const followSystem = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', followSystem);
followSystem();

const registration = ['/api/users/', 'post'];
const login = ['/api/users/login/token/', 'post'];

// The user that was registered on this page last. The forms of a login begin with it.
let registered = {};

// A registration whose email and username nobody has, so that the example works each time it is sent.
const newUser = () => {
  const name = `ada-${Math.random().toString(36).slice(2, 8)}`;
  return { email: `${name}@example.com`, username: name, password: 'correct horse battery staple' };
};
let example = newUser();

// What to do about a refused token, by the code of the error.
const remedies = {
  not_authenticated: ['This operation needs a token.', 'Authorize'],
  invalid_token: ['The token has expired, or its session has ended.', 'Authorize again'],
  insufficient_scope: ['The token lacks a scope, or no role of yours holds it. Tick the scope.', 'Authorize again'],
};
// The token that lacked a scope last. It is good for other operations, so that it isn't forgotten until the reader says so.
let lacking;
const textOf = (authorization) => authorization?.getIn(['token', 'access_token']) ?? authorization?.get('value');
const codeOf = (text) => /"code": ?"(\w+)"/.exec(text)?.[1];

// What this page changes in Swagger UI's parts. Each entry gets the part and returns what stands in its place.
const parts = {
  // How to begin is what a reader needs first; the rest of the introduction would push the operations off the screen.
  info: (Info, { React: { createElement: h }, getComponent }) => (props) => {
    const paragraphs = props.info.get('description', '').trim().split(/\n\n+/);
    const introduction = props.info.set('description', paragraphs.slice(0, 2).join('\n\n'));
    return h('section', { 'aria-label': 'Introduction' },
      h(Info, { ...props, info: introduction }),
      paragraphs.length > 2 && h('details', null,
        h('summary', null, 'More about this API'),
        h(getComponent('Markdown', true), { source: paragraphs.slice(2).join('\n\n') })));
  },

  // The dialog shows the error of an authorization.
  errors: (Errors, { React: { createElement: h } }) => (props) =>
    !props.errSelectors.allErrors().every((error) => error.get('source') === 'auth') && h(Errors, props),

  // There is one server: the one that the page comes from.
  ServersContainer: () => () => null,

  // The button that unfolds an operation contains its path. A link within a button can't be operated by everybody.
  OperationSummaryPath: (Path, { React: { createElement: h } }) => (props) =>
    h(Path, { ...props, operationProps: props.operationProps.set('isDeepLinkingEnabled', false) }),

  // An operation has up to ten errors, which push the next operation off the screen. The ids of the two tables differ by
  // their path.
  responses: (Responses, { React: { createElement: h, Fragment } }) => (props) => {
    const succeeded = (_, status) => status.startsWith('2');
    const errors = props.responses.filterNot(succeeded);
    return h(Fragment, null,
      h(Responses, { ...props, responses: props.responses.filter(succeeded) }),
      errors.size > 0 && h('details', { className: 'errors-of-operation' },
        h('summary', null, `Errors (${errors.size})`),
        h(Responses, { ...props, responses: errors, path: `${props.path}errors`, tryItOutResponse: undefined })));
  },

  // Few readers look for the headers of an answer: open, they push the bodies down.
  headers: (Headers, { React: { createElement: h } }) => (props) =>
    props.headers?.size > 0 && h('details', null,
      h('summary', null, `Headers (${props.headers.size})`),
      h(Headers, props)),

  // One media type is no choice. It is set before a form gets its fields, because setting it empties them.
  contentType: (ContentType, { React: { createElement: h, useLayoutEffect } }) => (props) => {
    const only = props.contentTypes?.size === 1 ? props.contentTypes.first() : undefined;
    useLayoutEffect(() => {
      if (only !== undefined && props.value !== only) props.onChange(only);
    });
    return only === undefined ? h(ContentType, props) : h('code', null, only);
  },

  ExamplesSelect: (Select, { React: { createElement: h, useEffect, useRef } }) => (props) => {
    const place = useRef();
    useEffect(() => place.current.querySelector('select').setAttribute('aria-label', 'Example'));
    return h('div', { ref: place }, h(Select, props));
  },

  TextArea: (TextArea, { React: { createElement: h } }) => (props) => h(TextArea, { 'aria-label': 'Request body', ...props }),

  // A field without a value counts as absent, and isn't sent.
  ParameterIncludeEmpty: () => () => null,

  liveResponse: (LiveResponse, { React: { createElement: h, Fragment }, authActions, authSelectors }) => (props) => {
    const code = codeOf(props.response.get('text'));
    const authorized = authSelectors.authorized();
    const isRefused = authorized.size === 0 || (code === 'insufficient_scope' && textOf(authorized.first()) === lacking);
    const remedy = isRefused && remedies[code];
    const authorize = () => {
      authActions.logout(authorized.keySeq().toArray());
      authActions.showDefinitions(authSelectors.definitionsToAuthorize());
    };
    return h(Fragment, null,
      h('div', { className: 'remedy', role: 'status' }, remedy && [
        h('p', { key: 'why' }, remedy[0]),
        h('button', { key: 'do', className: 'btn execute', onClick: authorize }, remedy[1]),
      ]),
      h(LiveResponse, props));
  },

  authorizeBtn: (AuthorizeBtn, { React: { createElement: h, Fragment }, authSelectors }) => (props) => {
    const principal = authSelectors.authorized().first();
    const scope = principal?.getIn(['token', 'scope']);
    return h(Fragment, null,
      h('p', { className: 'principal', role: 'status' },
        principal && `Authorized ${principal.get('username') ? `as ${principal.get('username')}` : 'with a token'}`,
        scope && `, for ${scope}`),
      h(AuthorizeBtn, props));
  },

  // Swagger UI's dialog asks for a client's credentials, which nobody has here, and lets the focus out. The browser's own
  // keeps it, closes with Escape, and gives the focus back.
  authorizationPopup: (_, { React: { createElement: h, useEffect, useRef } }) =>
    ({ authSelectors, authActions, errSelectors, errActions }) => {
      const dialog = useRef();
      const close = () => dialog.current.close();
      const authorized = authSelectors.authorized();
      const schemes = authSelectors.shownDefinitions().reduce((all, some) => all.merge(some));
      const [[oauth2, password], [bearer, token]] = ['oauth2', 'http'].map((type) =>
        schemes.findEntry((scheme) => scheme.get('type') === type));
      const failure = errSelectors.allErrors().findLast((error) => error.get('authId') === oauth2)?.get('message');

      useEffect(() => dialog.current.showModal(), []);
      const wasAuthorized = useRef(authorized.size > 0);
      useEffect(() => {
        if (authorized.size > 0 && !wasAuthorized.current) close();
        wasAuthorized.current = authorized.size > 0;
      });
      const clearFailure = () => errActions.clear({ authId: oauth2, type: 'auth', source: 'auth' });
      const onClose = () => {
        clearFailure();
        authActions.showDefinitions(false);
      };
      const logIn = (event) => {
        event.preventDefault();
        clearFailure();
        const form = new FormData(event.target);
        authActions.authorizePassword({
          name: oauth2, schema: password, scopes: form.getAll('scope'), passwordType: 'request-body',
          username: form.get('username'), password: form.get('password'),
        });
      };
      const useToken = (event) => {
        event.preventDefault();
        const value = new FormData(event.target).get('token').trim().replace(/^bearer\s+/i, '');
        authActions.authorize({ [bearer]: { name: bearer, schema: token, value } });
      };
      const field = (label, props) => h('label', null, label, h('input', { required: true, spellCheck: false, ...props }));
      const button = (text, props) => h('button', { type: 'button', className: 'btn', ...props }, text);

      return h('dialog', { ref: dialog, className: 'authorize-dialog', 'aria-labelledby': 'authorize-title', onClose },
        h('h2', { id: 'authorize-title' }, 'Authorize'),
        authorized.size > 0
          ? [
            h('p', { key: 'state' }, 'The page sends an access token with each request, until you reload or close it.'),
            h('div', { key: 'buttons', className: 'buttons' },
              button('Close', { onClick: close }),
              button('Forget the token', { onClick: () => authActions.logout(authorized.keySeq().toArray()) })),
          ]
          : [
            h('form', { key: 'login', onSubmit: logIn },
              h('p', null, 'Log in as a user of this server. The page then sends the access token with each request.'),
              field('Email', {
                name: 'username', inputMode: 'email', autoComplete: 'username', autoFocus: true, defaultValue: registered.email,
              }),
              field('Password', {
                name: 'password', type: 'password', autoComplete: 'current-password', defaultValue: registered.password,
              }),
              h('fieldset', null,
                h('legend', null, 'Scopes, for operators'),
                password.get('scopes').entrySeq().map(([scope, what]) => h('label', { key: scope },
                  h('input', { type: 'checkbox', name: 'scope', value: scope }), h('span', null, h('code', null, scope), ` ${what}`)))),
              h('p', { role: 'alert', className: 'failure' }, failure?.replace(/^.*description: /, '')),
              h('div', { className: 'buttons' },
                h('button', { className: 'btn execute' }, 'Authorize'),
                button('Close', { onClick: close }))),
            h('details', { key: 'token' },
              h('summary', null, 'Use an access token instead'),
              h('form', { onSubmit: useToken },
                field('Access token', { name: 'token', autoComplete: 'off' }),
                h('div', { className: 'buttons' }, h('button', { className: 'btn execute' }, 'Use the token')))),
          ]);
    },
};

// The browser keeps and sends a cookie by itself, and no script can set one: there is nothing to authorize.
const withoutCookies = (spec) => {
  const schemes = spec.components?.securitySchemes ?? {};
  const cookies = Object.keys(schemes).filter((name) => schemes[name].in === 'cookie');
  for (const name of cookies) delete schemes[name];
  for (const operation of Object.values(spec.paths ?? {}).flatMap(Object.values)) {
    if (operation.security?.some((alternative) => cookies.some((name) => name in alternative))) operation.security = [];
  }
};

// An operation with scopes names the scheme that has them. A token that was typed in may have them too.
const withTokens = (spec) => {
  for (const operation of Object.values(spec.paths ?? {}).flatMap(Object.values)) {
    if (operation.security?.some(({ OAuth2Password: scopes }) => scopes?.length > 0)) operation.security.push({ BearerAuth: [] });
  }
};

// The form of an operation begins with the examples of its parameters. One that may be left out would be sent unasked, such as
// the cursor of a page that there isn't.
const withoutOptional = (spec) => {
  for (const { parameters = [] } of Object.values(spec.paths ?? {}).flatMap(Object.values)) {
    for (const { required, schema } of parameters) if (!required && schema) delete schema.example;
  }
};

// The page's own address says where the service is, also where a proxy has put a prefix before it. The document's addresses are
// relative, which Swagger UI doesn't resolve alike everywhere.
const base = new URL('.', document.baseURI);
const ofThisPage = (spec) => {
  withoutCookies(spec);
  withTokens(spec);
  withoutOptional(spec);
  spec.servers = [{ url: base.href.replace(/\/$/, '') }];
  for (const flow of Object.values(spec.components?.securitySchemes?.OAuth2Password?.flows ?? {})) {
    flow.tokenUrl = new URL(flow.tokenUrl, base).href;
    flow.refreshUrl = new URL(flow.refreshUrl, base).href;
  }
  const [path, method] = registration;
  const body = spec.paths?.[path]?.[method]?.requestBody?.content['application/json'];
  if (body) {
    delete body.examples;
    body.example = example;
  }
  return spec;
};

// After a registration, the forms of a login have its user, and the example is a new one. A refused token is forgotten.
const afterResponse = ({ Im, authActions, authSelectors, oas3Actions, specSelectors }, [path, method], response) => {
  const code = codeOf(response.text);
  if (code === 'invalid_token') authActions.logout(authSelectors.authorized().keySeq().toArray());
  if (code === 'insufficient_scope') lacking = textOf(authSelectors.authorized().first());
  if (!response.ok || path !== registration[0] || method !== registration[1]) return;
  registered = JSON.parse(specSelectors.requestFor(path, method).get('body'));
  const { email, password } = registered;
  if (email === example.email) {
    example = newUser();
    const value = { ...registered, email: example.email, username: example.username };
    oas3Actions.setRequestBodyValue({ value: JSON.stringify(value, null, 2), pathMethod: registration });
  }
  oas3Actions.setRequestBodyValue({ value: Im.Map({ username: email, password }), pathMethod: login });
};
const state = {
  spec: {
    wrapActions: {
      updateJsonSpec: (update) => (spec) => update(ofThisPage(spec)),
      setResponse: (set, system) => (path, method, response) => {
        afterResponse(system, [path, method], response.err?.response ?? response);
        return set(path, method, response);
      },
    },
  },
};

SwaggerUIBundle({
  // As it was written: the other form has its members in the order of the alphabet.
  url: new URL('openapi.yaml', base).href,
  dom_id: '#swagger-ui',
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [() => ({ wrapComponents: parts, statePlugins: state })],
  // The other layout has a bar to load foreign documents with.
  layout: 'BaseLayout',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  requestSnippetsEnabled: false,
  // A token is gone with the page: in the browser's storage it would outlive it, for any script of this origin to read.
  // To log in again takes an email and a password, which the browser may know.
  persistAuthorization: false,
  // The default sends the document to a validator elsewhere.
  validatorUrl: null,
});
