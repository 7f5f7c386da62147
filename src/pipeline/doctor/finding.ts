/** One ability of this machine, tried. */
export interface Finding {
  readonly name: string
  /** `degraded`: it works, with less; `absent`: not there, and building works without; `skipped`: not tried */
  readonly state: 'ok' | 'degraded' | 'absent' | 'failed' | 'skipped'
  /** what was found, or why it does not work */
  readonly detail: string
  /** how to get what is missing, perhaps in several lines */
  readonly hint?: string | undefined
}
