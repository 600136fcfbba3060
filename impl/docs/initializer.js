'use strict';

// Swagger UI's dark rules hang on a class, so that they follow the system's choice only if something sets it.
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const followSystem = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', followSystem);
followSystem();

// What this page changes in Swagger UI's parts. Each entry gets the part and answers what stands in its place.
const parts = {
  // How to begin is what a reader needs first; the rest of the introduction would push the operations off the screen.
  info: (Info, { React: { createElement: h }, getComponent }) => (props) => {
    const paragraphs = props.info.get('description', '').trim().split(/\n\n+/);
    const introduction = props.info.set('description', paragraphs.slice(0, 2).join('\n\n'));
    return h('section', { 'aria-label': 'Introduction' },
      h(Info, { ...props, info: introduction }),
      paragraphs.length > 2 && h('details', { className: 'more' },
        h('summary', null, 'More about this API'),
        h(getComponent('Markdown', true), { source: paragraphs.slice(2).join('\n\n') })));
  },

  // There is one server: the one that the page comes from.
  ServersContainer: () => () => null,

  // Few readers look for the headers of an answer: open, they push the bodies down.
  headers: (Headers, { React: { createElement: h } }) => (props) =>
    props.headers?.size > 0 && h('details', null,
      h('summary', null, `Headers (${props.headers.size})`),
      h(Headers, props)),

  TextArea: (TextArea, { React: { createElement: h } }) => (props) => h(TextArea, { 'aria-label': 'Request body', ...props }),

  // Swagger UI's dialog has no role, puts the focus into its last field, and leaves it nowhere. Enter does nothing.
  authorizationPopup: (Popup, { React: { createElement: h, useEffect, useState } }) => (props) => {
    const [opener] = useState(() => document.activeElement);
    useEffect(() => {
      document.querySelector('.close-modal').setAttribute('aria-label', 'Close');
      (document.querySelector('#oauth_username') ?? document.querySelector('.close-modal')).focus();
      return () => opener.focus();
    }, []);
    const onKeyDown = (event) => {
      if (event.key === 'Enter' && event.target.id.startsWith('oauth_')) {
        event.target.closest('.auth-container').querySelector('.authorize').click();
      }
    };
    return h('div', { className: 'over-page', role: 'dialog', 'aria-modal': true, 'aria-label': 'Authorize', onKeyDown },
      h(Popup, props));
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

// The page's own address says where the service is, also where a proxy has put a prefix before it. The document's addresses are
// relative, which Swagger UI doesn't resolve alike everywhere.
const base = new URL('.', document.baseURI);
const ofThisPage = (spec) => {
  withoutCookies(spec);
  spec.servers = [{ url: base.href.replace(/\/$/, '') }];
  for (const flow of Object.values(spec.components?.securitySchemes?.OAuth2Password?.flows ?? {})) {
    flow.tokenUrl = new URL(flow.tokenUrl, base).href;
    flow.refreshUrl = new URL(flow.refreshUrl, base).href;
  }
  return spec;
};
const addresses = { spec: { wrapActions: { updateJsonSpec: (update) => (spec) => update(ofThisPage(spec)) } } };

SwaggerUIBundle({
  // As it was written: the other form has its members in the order of the alphabet.
  url: new URL('openapi.yaml', base).href,
  dom_id: '#swagger-ui',
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [() => ({ wrapComponents: parts, statePlugins: addresses })],
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
