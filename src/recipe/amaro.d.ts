// amaro 0.1 comes without types; this is the part of it that is used.
declare module 'amaro' {
  const amaro: {
    /** Throws text, not an `Error`, when the source does not parse. */
    readonly transformSync: (
      source: string,
      options: { readonly mode: 'strip-only'; readonly filename?: string },
    ) => { readonly code: string }
  }
  export default amaro
}
