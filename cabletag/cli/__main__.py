from cabletag.cli import main

main()
