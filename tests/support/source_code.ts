/** Reads TypeScript sources for the tidy test: what a file imports, which functions it holds, where it names what. */

import ts from "typescript";

/** One source file. `path` is relative to the root of the repository and uses `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly tree: ts.SourceFile;
}

/** A place to point at. Lines count from 1. */
export interface Place {
  readonly path: string;
  readonly line: number;
}

/** One `import`, `export ... from` or `import()`. `target` is a path from the root for our own files, else the bare specifier. */
export interface Import extends Place {
  readonly target: string;
  readonly ours: boolean;
  /** Whether it is gone at run time. */
  readonly typeOnly: boolean;
}

/** One function. `named` is false for a callback, whose lines belong to the function around it as well. */
export interface FunctionSize extends Place {
  readonly name: string;
  readonly named: boolean;
  readonly lines: number;
  readonly parameters: number;
}

const root = new URL("../../", import.meta.url);

/** Parses `text` as the file at `path`. Nothing is resolved and nothing is type-checked. */
export function parseSource(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.TS);
  const breaks = text.split("\n").length;
  return { path, text, lines: text.endsWith("\n") ? breaks - 1 : breaks, tree };
}

/** Reads a file of the repository, whatever the working directory is. */
export function readText(path: string): string {
  return Deno.readTextFileSync(new URL(path, root));
}

/** The TypeScript files at a path of the repository: the file itself, or all that a folder holds, in order. */
export function readSources(path: string): SourceFile[] {
  return listFiles(path).filter((path) => path.endsWith(".ts")).map((path) => parseSource(path, readText(path)));
}

/** The file at a path of the repository, or the files in the folder there and below; none where nothing is there. */
export function listFiles(path: string): string[] {
  const url = new URL(path, root);
  try {
    if (Deno.statSync(url).isFile) return [path];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return [...Deno.readDirSync(url)].flatMap((entry) => listFiles(`${path}/${entry.name}`)).sort();
}

/** Everything that the file imports, types included: a cycle of types is a cycle for the reader. */
export function importsOf(file: SourceFile): Import[] {
  const imports: Import[] = [];
  for (const node of walk(file.tree)) {
    const specifier = specifierOf(node);
    if (specifier === undefined) continue;
    const ours = specifier.startsWith(".") || specifier.startsWith("/");
    const target = ours ? joinPath(file.path, specifier) : specifier;
    imports.push({ ...placeOf(file, node), target, ours, typeOnly: isTypeOnly(node) });
  }
  return imports;
}

/** The names that the file takes from each of our files, by path; `*` for all that is there. */
export function namesImportedBy(file: SourceFile): { readonly target: string; readonly name: string }[] {
  return [...walk(file.tree)].flatMap((node) => {
    const specifier = specifierOf(node);
    if (specifier === undefined || !specifier.startsWith(".")) return [];
    const target = joinPath(file.path, specifier);
    return namesIn(node).map((name) => ({ target, name }));
  });
}

function namesIn(node: ts.Node): string[] {
  const clause = ts.isImportDeclaration(node)
    ? node.importClause?.namedBindings
    : ts.isExportDeclaration(node)
    ? node.exportClause
    : undefined;
  if (clause === undefined || ts.isNamespaceImport(clause) || ts.isNamespaceExport(clause)) return ["*"];
  return clause.elements.map(({ propertyName, name }) => (propertyName ?? name).text);
}

/** Functions, classes and constants that the file exports where they are declared. */
export function valuesExportedBy(file: SourceFile): (Place & { readonly name: string })[] {
  return file.tree.statements.flatMap((statement) => {
    const isValue = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement);
    if (!isValue && !ts.isVariableStatement(statement)) return [];
    if (!statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    const names = isValue ? [statement.name] : statement.declarationList.declarations.map(({ name }) => name);
    return names.map((name) => ({ ...placeOf(file, statement), name: name?.getText() ?? "default" }));
  });
}

function specifierOf(node: ts.Node): string | undefined {
  let specifier: ts.Node | undefined;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) specifier = node.moduleSpecifier;
  else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    specifier = node.arguments[0];
  } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) specifier = node.argument.literal;
  if (specifier === undefined) return undefined;
  return ts.isStringLiteralLike(specifier) ? specifier.text : `(computed) ${specifier.getText()}`;
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  if (!ts.isImportDeclaration(node)) return ts.isImportTypeNode(node);
  const clause = node.importClause;
  if (clause === undefined || clause.name !== undefined) return clause?.isTypeOnly ?? false;
  const bindings = clause.namedBindings;
  const each = bindings !== undefined && ts.isNamedImports(bindings) &&
    bindings.elements.every((one) => one.isTypeOnly);
  return clause.isTypeOnly || each;
}

function joinPath(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** Every function that has a body: declarations, methods, accessors, constructors, function and arrow expressions. */
export function functionsOf(file: SourceFile): FunctionSize[] {
  const functions: FunctionSize[] = [];
  for (const node of walk(file.tree)) {
    if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) continue;
    const name = nameOf(node);
    const first = placeOf(file, node);
    const last = file.tree.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
    functions.push({
      ...first,
      name: name ?? "(callback)",
      named: name !== undefined,
      lines: last - first.line + 1,
      parameters: node.parameters.filter((parameter) => parameter.name.getText() !== "this").length,
    });
  }
  return functions;
}

function nameOf(node: ts.SignatureDeclaration): string | undefined {
  if (ts.isConstructorDeclaration(node)) return `${node.parent.name?.text ?? "(class)"}.constructor`;
  const holder = node.name === undefined ? node.parent : node;
  const name = ts.isVariableDeclaration(holder) || ts.isPropertyDeclaration(holder) || ts.isFunctionLike(holder)
    ? holder.name?.getText()
    : undefined;
  if (name === undefined) return undefined;
  return ts.isClassLike(holder.parent) ? `${holder.parent.name?.text ?? "(class)"}.${name}` : name;
}

/** Top-level constants that hold a function, which the style wants declared with `function`. */
export function functionConstantsOf(file: SourceFile): (Place & { readonly name: string })[] {
  const constants: (Place & { name: string })[] = [];
  for (const statement of file.tree.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      const isFunction = initializer !== undefined &&
        (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer));
      if (isFunction) constants.push({ ...placeOf(file, statement), name: name.getText() });
    }
  }
  return constants;
}

/** Class members that say `private` or `protected`, parameter properties included. A constructor cannot be hidden otherwise. */
export function hiddenMembersOf(file: SourceFile): (Place & { readonly name: string })[] {
  const members: (Place & { name: string })[] = [];
  for (const node of walk(file.tree)) {
    const hidden = node.kind === ts.SyntaxKind.PrivateKeyword || node.kind === ts.SyntaxKind.ProtectedKeyword;
    if (hidden && !ts.isConstructorDeclaration(node.parent)) {
      members.push({ ...placeOf(file, node), name: `${node.getText()} in "${firstLine(node.parent)}"` });
    }
  }
  return members;
}

/** `async` and `await` in every form, and each use of one of `names`: `fetch` as a value, `Date.now` as a member, `new Date()`. */
export function impuritiesOf(file: SourceFile, names: ReadonlySet<string>): (Place & { readonly name: string })[] {
  const found: (Place & { name: string })[] = [];
  for (const node of walk(file.tree)) {
    const name = impurity(node);
    if (name !== undefined && names.has(name)) found.push({ ...placeOf(file, node), name });
  }
  return found;
}

function impurity(node: ts.Node): string | undefined {
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return "async";
  if (node.kind === ts.SyntaxKind.AwaitKeyword) return "await";
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    return `${node.expression.text}.${node.name.text}`;
  }
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && (node.arguments?.length ?? 0) === 0) {
    return `new ${node.expression.text}()`;
  }
  return ts.isIdentifier(node) && !isMemberName(node) ? node.text : undefined;
}

/** Whether the identifier only names a member, as `close` does in `queue.close` and in `{ close: 1 }`. */
function isMemberName(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent) || ts.isQualifiedName(parent)) {
    return (ts.isPropertyAccessExpression(parent) ? parent.name : parent.right) === node;
  }
  const declares = ts.isPropertyAssignment(parent) || ts.isClassElement(parent) || ts.isTypeElement(parent);
  return declares && parent.name === node;
}

function* walk(node: ts.Node): Generator<ts.Node> {
  yield node;
  for (const child of node.getChildren()) if (!ts.isJSDoc(child)) yield* walk(child);
}

function placeOf(file: SourceFile, node: ts.Node): Place {
  return { path: file.path, line: file.tree.getLineAndCharacterOfPosition(node.getStart()).line + 1 };
}

function firstLine(node: ts.Node): string {
  return node.getText().split("\n")[0]?.trim() ?? "";
}
