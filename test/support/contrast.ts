import type { Page } from 'playwright-core'

/** WCAG 2.2, 1.4.3, level AA, for text of any size. */
const CONTRAST_MIN = 4.5

/** Runs in the browser, where an opaque background is looked for behind every text. */
const measure = `(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number)
  const luminance = (color) => {
    const [r, g, b] = parse(color).map((part) => {
      const share = part / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const backgroundOf = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at)
      if ((parse(backgroundColor)[3] ?? 1) === 1) return backgroundColor
    }
    return 'rgb(255, 255, 255)'
  }
  const hasText = (element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')
  return [...document.body.querySelectorAll('*')]
    .filter((element) => hasText(element) && element.checkVisibility() && element.tagName !== 'SCRIPT')
    .map((element) => {
      const [low, high] = [luminance(getComputedStyle(element).color), luminance(backgroundOf(element))].sort((a, b) => a - b)
      return { text: element.textContent.slice(0, 40), contrast: (high + 0.05) / (low + 0.05) }
    })
})()`

/** The texts of a page that are hard to read against what is behind them. */
export async function lowContrasts(page: Page): Promise<{ text: string; contrast: number }[]> {
  const texts = (await page.evaluate(measure)) as { text: string; contrast: number }[]
  if (texts.length === 0) throw new Error('the page has no text')
  return texts.filter(({ contrast }) => contrast < CONTRAST_MIN)
}
