/** True for a host name or literal address, IPv6 with or without brackets, that is this machine for certain. */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|127\.[\d.]+|\[?::1\]?)$/.test(host)
}
