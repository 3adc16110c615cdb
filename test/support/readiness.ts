/** What `/readyz` says: the status code, and what is not ready, by part. */
export async function readiness(url: string): Promise<{ status: number; body: Record<string, string> }> {
  const response = await fetch(`${url}/readyz`)
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}
