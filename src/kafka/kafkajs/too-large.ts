/** It is noticed while a batch is inflated, before there is room for more. */
export class TooLarge extends RangeError {}
