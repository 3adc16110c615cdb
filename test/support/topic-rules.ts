import type { AclEntry } from 'kafkajs'
import { kafkajs } from '../../src/kafka/kafkajs/kafkajs.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

/** Rules for everybody, under which one operation on a topic is refused. The broker must have an authorizer. */
export function rulesAgainst(topic: string, operation: 'WRITE' | 'DESCRIBE_CONFIGS'): AclEntry[] {
  const everybody = {
    principal: 'User:*',
    host: '*',
    resourceType: AclResourceTypes.TOPIC,
    resourceName: topic,
    resourcePatternType: ResourcePatternTypes.LITERAL,
  }
  return [
    // A topic with any rule allows only what a rule allows.
    { ...everybody, operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW },
    { ...everybody, operation: AclOperationTypes[operation], permissionType: AclPermissionTypes.DENY },
  ]
}
