// What the house asks of its TypeScript. Types are checked by tsc in each workspace; here they are
// only used.
import tseslint from 'typescript-eslint'

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '**/*.js',
      '**/*.mjs',
      'generators/live/**',
      'generators/made/**',
      'matrix/fixtures/**',
      'matrix/.work/**',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // A number in a message reads as well as its string.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // One shape for object types; `type` is needed for unions anyway.
      '@typescript-eslint/consistent-type-definitions': 'off',
    },
  },
  {
    // A copy of gen/ts, which is generated.
    files: ['client/src/api.ts'],
    rules: { '@typescript-eslint/consistent-indexed-object-style': 'off' },
  },
)
