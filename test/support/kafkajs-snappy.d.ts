declare module 'kafkajs-snappy' {
  const codec: () => { compress(encoder: { readonly buffer: Buffer }): Promise<Buffer> }
  export default codec
}
