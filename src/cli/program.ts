import { Argument, Command, CommanderError, Option } from 'commander'
import { PlinthError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type {
  Answer,
  BuildOptions,
  CommandContext,
  DoctorOptions,
  ImportOptions,
  RecipeOptions,
  RunOptions,
} from './command.ts'
import { progressModes, type ProgressMode } from './render/renderer.ts'

/** A command line that was understood. */
export interface Invocation {
  /** how failures are told, too */
  readonly progress: ProgressMode
  /** Does it; resolves with what belongs on stdout. */
  run(context: CommandContext): Promise<Answer>
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
    .enablePositionalOptions()
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
  const images = recipeCommand(program, 'build', 'build an image from a recipe or a Dockerfile', {
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
  withOutputs(images)
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
  withOutputs(program.command('import'))
    .description('make an image of a tar of a root filesystem, as docker import does')
    .addArgument(new Argument('<tar>', 'a file, its address (https://…), or - for standard input'))
    .addArgument(new Argument('[name]', 'what to name the image'))
    .addOption(
      list('-c, --change <instruction>', "how it starts: 'CMD bash', 'ENV A=b' (again for more)"),
    )
    .option('-m, --message <text>', "the comment in the image's history")
    .option('--platform <os/arch>', "the tar's platform, if it is not this machine's")
    .addOption(progressOption())
    .option('--store <dir>', 'where layers are kept')
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      `
The tar may be compressed by gzip, xz, bzip2 or zstd. The same files give the same digest: the image is as old as
the youngest of them, or SOURCE_DATE_EPOCH, than which then nothing is younger.

Examples:
  plinth import rootfs.tar.xz my-base:1 --change 'CMD ["/bin/sh"]'
  tar -C rootfs --numeric-owner -c . | plinth import - my-base:1`,
    )
    .action((tar: string, name: string | undefined, options: ImportOptions) => {
      choose(options.progress, async (context) => {
        const { importCommand } = await import('./commands/import.ts')
        return importCommand(tar, name, options, context)
      })
    })
  program
    .command('run')
    .description('run a program of an image, without any engine; what it changes is dropped')
    .passThroughOptions()
    .addArgument(
      new Argument('<image>', 'a name or digest of the store, image.tar, layout/, or a recipe'),
    )
    .addArgument(
      new Argument('[command...]', "in the place of the image's own, with its arguments"),
    )
    .option('-i, --interactive', 'pass standard input on')
    .option('-t, --tty', 'give it the terminal (both are so on a terminal)')
    .addOption(list('-e, --env <name[=value]>', 'set a variable, or pass one on (again for more)'))
    .addOption(
      list('-v, --volume <host:container[:ro]>', 'show it a folder or file of this machine'),
    )
    .option('-w, --workdir <dir>', 'where it starts')
    .option('-u, --user <user[:group]>', 'who it is, by name or number')
    .addOption(
      new Option('--network <which>', "this machine's, or none")
        .choices(['host', 'none'])
        .default('host'),
    )
    .option('--entrypoint <program>', "in the place of the image's entrypoint; '' for none")
    .option('--hostname <name>', 'what the machine is called inside')
    .option('--rm', 'as always: nothing is kept')
    .option('--platform <os/arch>', "another platform than this machine's")
    .addOption(new Option('-p, --publish <ports>').hideHelp())
    .addOption(progressOption())
    .option('--store <dir>', 'where images are kept')
    .addHelpText(
      'after',
      `
The exit code is the program's; 128 and the signal's number when a signal ended it.

Examples:
  plinth run debian:trixie
  plinth run image.tar ls -l /
  plinth run -v .:/src:ro -w /src -e LANG my-base make test`,
    )
    .action((image: string, command: readonly string[], options: RunOptions) => {
      choose(options.progress, async (context) => {
        const { runCommand } = await import('./commands/run.ts')
        return runCommand(image, command, options, context)
      })
    })
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
    .command('doctor')
    .description('try what building needs on this machine, and say how to get what is missing')
    .option('--store <dir>', 'where packages and layers are kept')
    .option('--json', 'as JSON')
    .action((options: DoctorOptions) => {
      choose('auto', async (context) => {
        const { doctor } = await import('./commands/doctor.ts')
        return doctor(options, context)
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
    .addOption(progressOption())
    .option('--store <dir>', 'where packages and layers are kept')
    .option('--json', 'the result as JSON')
}

/** Where a command's image goes. */
function withOutputs(command: Command): Command {
  return command
    .addOption(list('-t, --tag <name:tag>', 'name the image (again for more)'))
    .addOption(
      list(
        '-o, --output <where>',
        'write it: image.tar, layout/, type=rootfs|dir|oci,dest=… (again for more)',
      ),
    )
    .option('--load', 'load it into Docker or Podman')
}

function progressOption(): Option {
  return new Option('--progress <how>', 'how progress is shown')
    .choices(progressModes)
    .default('auto')
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
