import { copyFile, cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { commandSucceeds, runCommand } from './run-command.ts'
import { createScratchDirectory } from './scratch-directory.ts'

const DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'
const JAR_PLUGIN = 'org.apache.maven.plugins:maven-jar-plugin:3.4.2'

/** `group:artifact:version`, and `:zip` behind it of what is no jar */
export type ArtifactCoordinates = string

export async function hasMaven(): Promise<boolean> {
  return commandSucceeds('mvn', ['--version'])
}

/** Puts the jars and everything that they need at run time into the directory. */
export async function copyWithDependencies(
  artifacts: readonly ArtifactCoordinates[],
  directory: string,
): Promise<void> {
  await using project = createScratchDirectory('maven')
  await writeFile(join(project.path, 'pom.xml'), projectDescription(artifacts))
  const goal = `${DEPENDENCY_PLUGIN}:copy-dependencies`
  await runMaven([goal, '-DincludeScope=runtime', `-DoutputDirectory=${directory}`], project.path)
}

/** Puts those files of one jar into the directory whose names match the pattern, such as `a-*-b`. */
export async function unpackFiles(
  artifact: ArtifactCoordinates,
  pattern: string,
  directory: string,
): Promise<void> {
  const options = { artifact, 'mdep.unpack.includes': pattern, outputDirectory: directory }
  const args = Object.entries(options).map(([name, value]) => `-D${name}=${value}`)
  await runMaven([`${DEPENDENCY_PLUGIN}:unpack`, ...args])
}

/** Makes a jar of a directory of classes. */
export async function packJar(classes: string, jar: string): Promise<void> {
  await using project = createScratchDirectory('maven')
  await writeFile(join(project.path, 'pom.xml'), projectDescription([]))
  await cp(classes, join(project.path, 'target/classes'), { recursive: true })
  await runMaven([`${JAR_PLUGIN}:jar`], project.path)
  await copyFile(join(project.path, 'target/stack-1.jar'), jar)
}

async function runMaven(args: readonly string[], directory?: string): Promise<void> {
  await runCommand('mvn', ['--batch-mode', '--no-transfer-progress', ...args], directory)
}

function projectDescription(artifacts: readonly ArtifactCoordinates[]): string {
  const dependencies = artifacts.map((coordinates) => {
    const [group, artifact, version] = coordinates.split(':')
    const elements = `<groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>`
    return `<dependency>${elements}</dependency>`
  })
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>stack</groupId><artifactId>stack</artifactId><version>1</version>
  <dependencies>${dependencies.join('')}</dependencies>
</project>
`
}
