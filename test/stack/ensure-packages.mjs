// Installs the packages of package-lock.json when they are not installed as it says. It runs before the npm scripts,
// under any Node since 18 and without a package, so that every script works in a fresh clone.
import { readFileSync } from 'node:fs'

const root = new URL('../../', import.meta.url)

if (!isInstalled()) {
  // Loaded only now, because mostly there is nothing to do, and then this should take no time.
  const { installPackages } = await import('./install-packages.mjs')
  await installPackages(root, isInstalled)
}

/** Compares contents, since the times of the files say nothing after a checkout or a copy. */
function isInstalled() {
  const wanted = packagesOf('package-lock.json')
  // npm writes this file when everything else is in place.
  const installed = packagesOf('node_modules/.package-lock.json')
  if (wanted === undefined || installed === undefined) return false
  return (
    Object.keys(installed).every((path) => path in wanted) &&
    Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
      // The project itself, and packages for other platforms.
      if (path === '' || (optional && !(path in installed))) return true
      return installed[path]?.version === version && installed[path]?.integrity === integrity
    })
  )
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(new URL(file, root), 'utf8')).packages
  } catch {
    return undefined
  }
}
