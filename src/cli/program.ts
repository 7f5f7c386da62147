import { Argument, Command, CommanderError, Option } from 'commander'
import { PlinthError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { BuildOptions, CommandContext, RecipeOptions } from './command.ts'
import { progressModes, type ProgressMode } from './render/renderer.ts'

/** A command line that was understood. */
export interface Invocation {
  /** how failures are told, too */
  readonly progress: ProgressMode
  /** Does it; resolves with what belongs on stdout. */
  run(context: CommandContext): Promise<string>
}

/**
 * Understands a command line (without node and script). Throws `USAGE` with the nearest known name for
 * an unknown command or option. Commands are loaded only when they run, so that help costs nothing.
 */
export async function parseArguments(argv: readonly string[]): Promise<Invocation> {
  let chosen: Invocation | undefined
  let text = ''
  const choose = (progress: ProgressMode, run: Invocation['run']): void => {
    chosen = { progress, run }
  }
  const program = commands(choose)
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (part) => (text += part),
      writeErr: () => {},
    })
  }
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (argv.length === 0) throw usage('no command is given')
    if (argv[0] === 'help' && error.exitCode !== 0) throw unknownTopic(argv[1] ?? '', program)
    if (error.exitCode !== 0) throw usage(error.message)
    return { progress: 'auto', run: () => Promise.resolve(text) }
  }
  if (chosen === undefined) throw usage('no command is given')
  return chosen
}

function commands(choose: (progress: ProgressMode, run: Invocation['run']) => void): Command {
  const program = new Command('plinth')
    .description('Base images from distribution packages: no daemon, no root, no package manager')
    .helpCommand('help [command]', 'explain a command')
    .helpOption('-h, --help', 'explain')
    .option('-V, --version', 'print the version')
    .showHelpAfterError(false)
    .addHelpText(
      'after',
      `
Examples:
  plinth build debian -t debian:trixie -o debian.tar
  plinth build debian -p suite=bookworm -p include=ca-certificates,curl --load
  plinth build alpine -p include=ca-certificates -o alpine.tar
  plinth build ./my-base.ts -o type=rootfs,dest=rootfs.tar.gz
  plinth build . -t app:1.0                     (the Dockerfile of this directory)
  plinth plan debian -p variant=standard

A RECIPE is the path of a module or a bundled name (plinth recipes).`,
    )
  recipeCommand(program, 'build', 'build an image from a recipe or a Dockerfile', {
    argument:
      'a recipe: the path of a module, or a bundled name; or a directory with a Dockerfile, or one',
  })
    .optionsGroup('Options of a Dockerfile:')
    .option(
      '-f, --file <file>',
      'the Dockerfile, when the argument is the context (- for standard input)',
    )
    .addOption(list('--build-arg <name=value>', 'the value of an ARG (again for more)'))
    .option('--target <stage>', 'build this stage, and what it needs')
    .addOption(
      new Option('--network <which>', 'what RUN gets where it does not say').choices([
        'host',
        'none',
      ]),
    )
    .addOption(
      list(
        '--secret <id=…>',
        'a secret for RUN: id=NAME,src=FILE or id=NAME,env=VARIABLE (again for more)',
      ),
    )
    .addOption(
      list('--ssh <id[=socket]>', 'an ssh agent for RUN: default, or id=SOCKET (again for more)'),
    )
    .addOption(list('--label <name=value>', 'label the image (again for more)'))
    .optionsGroup('Options:')
    .addOption(list('-t, --tag <name:tag>', 'name the image (again for more)'))
    .addOption(
      list(
        '-o, --output <where>',
        'write it: image.tar, layout/, type=rootfs|dir|oci,dest=… (again for more)',
      ),
    )
    .option('--load', 'load it into Docker or Podman')
    .option('--no-cache', 'do everything again, even if the result is known')
    .action((name: string, options: BuildOptions) => {
      choose(options.progress, async (context) => {
        const { build } = await import('./commands/build.ts')
        return build(name, options, context)
      })
    })
  recipeCommand(program, 'plan', 'show what would go in, in what order, and why').action(
    (name: string, options: RecipeOptions) => {
      choose(options.progress, async (context) => {
        const { plan } = await import('./commands/plan.ts')
        return plan(name, options, context)
      })
    },
  )
  program
    .command('recipes')
    .description('list the bundled recipes and their params')
    .option('--json', 'as JSON')
    .action((options: { readonly json?: true }) => {
      choose('auto', async (context) => {
        const { recipes } = await import('./commands/recipes.ts')
        return recipes(options, context)
      })
    })
  program
    .command('inspect')
    .description('show what is in an image')
    .addArgument(new Argument('<image>', 'an image archive (.tar) or the folder of an OCI layout'))
    .option('--packages', 'with every package')
    .option('--json', 'as JSON')
    .action((file: string, options: { readonly packages?: true; readonly json?: true }) => {
      choose('auto', async (context) => {
        const { inspect } = await import('./commands/inspect.ts')
        return inspect(file, options, context)
      })
    })
  return program
}

function recipeCommand(
  program: Command,
  name: string,
  description: string,
  { argument = 'the path of a module, or a bundled name' }: { readonly argument?: string } = {},
): Command {
  return program
    .command(name)
    .description(description)
    .addArgument(new Argument('<recipe>', argument))
    .addOption(list('-p, --param <key=value>', "set one of the recipe's params (again for more)"))
    .option('--platform <os/arch>', "for another platform than this machine's: linux/arm64")
    .addOption(
      list('--skip <check>', 'leave a check out, by its name: check/valid-until (again for more)'),
    )
    .addOption(
      new Option('--progress <how>', 'how progress is shown')
        .choices(progressModes)
        .default('auto'),
    )
    .option('--store <dir>', 'where packages and layers are kept')
    .option('--json', 'the result as JSON')
}

function list(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collect)
}

function unknownTopic(topic: string, program: Command): PlinthError {
  const known = program.commands.map((command) => command.name())
  const [close] = nearest(topic, known)
  return new PlinthError('USAGE', `there is no command '${topic}' to explain`, {
    hint: close === undefined ? `commands: ${known.join(', ')}` : `did you mean ${close}?`,
  })
}

/** commander's sentence, its "(Did you mean …?)" as the hint. */
function usage(message: string): PlinthError {
  const [first = '', suggestion] = message
    .replace(/^error: /, '')
    .trim()
    .split('\n')
  const close = /^\((Did you mean .*)\)$/.exec(suggestion ?? '')?.[1]
  return new PlinthError('USAGE', first, {
    hint: close === undefined ? 'plinth help lists the commands' : close.replace(/^D/, 'd'),
  })
}

function collect(value: string, all: readonly string[] = []): readonly string[] {
  return [...all, value]
}
