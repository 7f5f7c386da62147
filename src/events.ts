/**
 * What the library tells while it works. It never prints: the command line renders these
 * (tty, plain, json). Times are the renderer's own.
 *
 * A `step` is one thing a person wants to see move; `id` is unique in one run
 * (`fetch:packages`, `configure`). Nested work uses its own id with `parent`.
 */
export type Event =
  | {
      readonly type: 'step-started'
      readonly id: string
      /** shown to people: `fetch 78 packages` */
      readonly title: string
      readonly parent?: string | undefined
      readonly total?: number | undefined
      readonly unit?: 'bytes' | 'items' | undefined
    }
  | {
      readonly type: 'step-progress'
      readonly id: string
      /** absolute amount done, in the step's unit */
      readonly done: number
      readonly total?: number | undefined
      /** what it works on now: a package name, a url path */
      readonly detail?: string | undefined
    }
  | {
      readonly type: 'step-finished'
      readonly id: string
      readonly cached?: boolean | undefined
      /** one short result: `96 packages, 39.3 MB` */
      readonly detail?: string | undefined
    }
  | { readonly type: 'step-failed'; readonly id: string }
  | {
      /** a line a run process wrote */
      readonly type: 'output'
      readonly id: string
      readonly stream: 'stdout' | 'stderr'
      readonly line: string
    }
  | {
      readonly type: 'warning'
      readonly code: string
      readonly message: string
      readonly hint?: string | undefined
    }

export type Emit = (event: Event) => void
