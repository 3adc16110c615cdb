import type { Config } from '../config/env.ts'
import type { KafkaSecurity } from '../kafka/kafka-security.ts'
import type { RedisSecurity } from '../redis/redis-security.ts'

/** What a client of Kafka needs to know. */
export const kafkaOptions = [
  'KAFKA_BROKERS',
  'KAFKA_TLS',
  'KAFKA_TLS_CA_FILE',
  'KAFKA_TLS_CERT_FILE',
  'KAFKA_TLS_KEY_FILE',
  'KAFKA_SASL_MECHANISM',
  'KAFKA_SASL_USERNAME',
  'KAFKA_SASL_PASSWORD',
] as const satisfies readonly (keyof Config)[]

/** What a client of Redis needs to know. */
export const redisOptions = [
  'REDIS_URL',
  'REDIS_USERNAME',
  'REDIS_PASSWORD',
  'REDIS_TLS_CA_FILE',
  'REDIS_TLS_CERT_FILE',
  'REDIS_TLS_KEY_FILE',
] as const satisfies readonly (keyof Config)[]

export type KafkaConfig = Pick<Config, (typeof kafkaOptions)[number]>
export type RedisConfig = Pick<Config, (typeof redisOptions)[number]>

export function kafkaSecurity(config: KafkaConfig): KafkaSecurity {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username } = config
  const { KAFKA_SASL_PASSWORD: password } = config
  return {
    ...(config.KAFKA_TLS && {
      tls: {
        caFile: config.KAFKA_TLS_CA_FILE,
        certFile: config.KAFKA_TLS_CERT_FILE,
        keyFile: config.KAFKA_TLS_KEY_FILE,
      },
    }),
    ...(mechanism !== undefined &&
      username !== undefined &&
      password !== undefined && { sasl: { mechanism, username, password } }),
  }
}

export function redisSecurity(config: RedisConfig): RedisSecurity {
  return {
    username: config.REDIS_USERNAME,
    password: config.REDIS_PASSWORD,
    tls: {
      caFile: config.REDIS_TLS_CA_FILE,
      certFile: config.REDIS_TLS_CERT_FILE,
      keyFile: config.REDIS_TLS_KEY_FILE,
    },
  }
}
