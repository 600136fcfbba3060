'use strict';

// Swagger UI's dark rules hang on a class, so that they follow the system's choice only if something sets it.
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const followSystem = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', followSystem);
followSystem();

SwaggerUIBundle({
  // As it was written: the other form has its members in the order of the alphabet.
  url: '/openapi.yaml',
  dom_id: '#swagger-ui',
  presets: [SwaggerUIBundle.presets.apis],
  // The other layout has a bar to load foreign documents with.
  layout: 'BaseLayout',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  requestSnippetsEnabled: false,
  // A token is gone with the page: it is not left in the browser's storage.
  persistAuthorization: false,
  // The default sends the document to a validator elsewhere.
  validatorUrl: null,
});
