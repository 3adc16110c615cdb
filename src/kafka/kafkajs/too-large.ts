/** Thrown during inflation, before more memory is used. */
export class TooLarge extends RangeError {}
