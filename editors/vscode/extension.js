// Starts `engine lsp` for .rules files and hands it what the editor says. All features are the server's.
"use strict";

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

/** @type {LanguageClient | undefined} */
let client;

async function start() {
  const command = vscode.workspace.getConfiguration("engine").get("path", "engine");
  const server = { command, args: ["lsp"] };
  client = new LanguageClient("engine", "engine", server, {
    documentSelector: [{ scheme: "file", language: "rules" }],
  });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const choice = await vscode.window.showErrorMessage(
      `\`${command} lsp\` does not start: ${error instanceof Error ? error.message : error}`,
      "Settings",
    );
    if (choice === "Settings") {
      await vscode.commands.executeCommand("workbench.action.openSettings", "engine.path");
    }
  }
}

async function stop() {
  const running = client;
  client = undefined;
  // A client that is still starting, or whose server has died, has nothing to be stopped.
  if (running?.isRunning()) {
    await running.stop();
  }
}

async function restart() {
  await stop();
  await start();
}

/** @param {vscode.ExtensionContext} context */
async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("engine.restart", restart),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("engine.path")) {
        await restart();
      }
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
