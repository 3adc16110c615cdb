/** True for a host name or literal address that certainly is this machine. IPv6 with or without brackets. */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|127\.[\d.]+|\[?::1\]?)$/.test(host)
}
