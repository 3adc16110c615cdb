/** An answer as a browser sees it. */
export interface Page {
  readonly url: string
  readonly status: number
  /** Where a redirect leads, as an absolute URL. */
  readonly location?: string
  readonly body: string
}
